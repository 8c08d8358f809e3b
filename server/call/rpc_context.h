// The parts of the daemon that rpcs use.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/executor.h"
#include "server/call/live_calls.h"
#include "server/limits/reader_budget.h"
#include "server/limits/tenant.h"
#include "server/region/followers.h"
#include "server/region/region_registry.h"
#include "server/region/retention_keeper.h"
#include "server/security/access_control.h"
#include "server/security/audit.h"
#include "server/statistics/statistics.h"

namespace walden {

struct ServiceLimits {
  uint64_t max_batch_bytes = uint64_t{16} << 20;  // payload bytes of one append
  uint64_t max_batch_records = 65536;
  uint64_t max_payload_bytes = uint64_t{16} << 20;
  uint64_t max_key_bytes = 4096;  // of a row entry
  uint64_t read_chunk_bytes = uint64_t{256} << 10;
  // Of one AppendStream, read and not yet answered; past either the stream is not read.
  uint64_t stream_in_flight_bytes = uint64_t{8} << 20;
  uint64_t stream_in_flight_requests = 1024;
};

// Outlives every call. All pointers are to things that any thread may use.
struct RpcContext {
  ServiceLimits limits;
  RegionRegistry* registry = nullptr;
  Statistics* statistics = nullptr;
  std::shared_ptr<ReaderBudget> reader_budget;
  LiveCalls* live_calls = nullptr;
  Followers* followers = nullptr;
  Tenants* tenants = nullptr;
  const RetentionPolicies* retention = nullptr;
  const AccessControl* access = nullptr;  // null: every call is allowed
  Audit* audit = nullptr;                 // null: no audit
  const Clock* clock = nullptr;
  const WallClock* wall_clock = nullptr;
  entry::EntryMemory* entry_memory = nullptr;
  Executor* readers = nullptr;      // never blocked by a writer
  Executor* background = nullptr;   // listings
  Executor* maintenance = nullptr;  // verification: long, one at a time
  // Whether the thread of gRPC that an append arrives on may work it off: see LeadingTurn.
  bool unary_may_lead = true;
  bool stream_may_lead = false;
  std::string version;
  absl::Duration started;  // by `clock`
};

}  // namespace walden
