// The parts of the daemon that AdminService uses.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "base/executor.h"
#include "engine/entry/entry_memory_limits.h"
#include "server/call/call_admission.h"
#include "server/call/request_limits.h"
#include "server/limits/reader_budget.h"
#include "server/region/region_registry.h"
#include "server/region/retention_keeper.h"

namespace walden {

// The figures that GetStatistics answers besides those of the registry.
struct ServerFigures {
  std::string version;
  std::string commit;  // empty: not known
  absl::Time started_at;
  absl::Duration started;  // by the clock of the admission
  const ReaderBudget& reader_budget;
  const entry::EntryMemory& entry_memory;
  RequestLimits limits;
};

// All outlive every call and may be used by any thread.
struct AdminEnvironment {
  CallAdmission admission;
  RegionRegistry& registry;
  const RetentionPolicies& retention;
  Executor& readers;      // descriptions
  Executor& background;   // listings
  Executor& maintenance;  // verification: long, one at a time
  ServerFigures figures;
};

}  // namespace walden
