// The parts of a running server that metrics and the status page read.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "base/clock.h"
#include "engine/entry/entry_memory_limits.h"
#include "server/limits/reader_budget.h"
#include "server/limits/tenant.h"
#include "server/net/connection_acceptor.h"
#include "server/observation/observed_registry.h"
#include "server/region/followers.h"
#include "server/statistics/statistics.h"

namespace walden {

// Everything in it may be read by any thread while the server exists.
struct ServerObservation {
  std::string version;
  absl::Duration started;  // by `clock`
  const Clock& clock;
  const WallClock& wall_clock;
  const Statistics& statistics;
  const ObservedRegistry& registry;
  const ReaderBudget& reader_budget;
  const entry::EntryMemory& entry_memory;
  const Followers& followers;
  const Tenants& tenants;
  const ConnectionAcceptor& connections;
};

}  // namespace walden
