// The parts of the daemon that appends and puts use.
#pragma once

#include <cstdint>

#include "base/executor.h"
#include "server/call/call_admission.h"
#include "server/call/request_limits.h"
#include "server/region/region_registry.h"

namespace walden {

// Limits of one AppendStream or PutStream. They count requests that were read and whose answers
// were not written yet. A stream that reached one of them is not read.
struct StreamLimits {
  uint64_t in_flight_bytes = uint64_t{8} << 20;
  uint64_t in_flight_requests = 1024;
};

// Whether the gRPC thread on which an append arrives may work it off (see LeadingTurn).
struct LeadPolicy {
  bool unary = true;
  bool stream = false;
};

// All outlive every call and may be used by any thread.
struct AppendEnvironment {
  CallAdmission admission;
  RegionRegistry& registry;
  RequestLimits limits;
  StreamLimits stream_limits;
  LeadPolicy may_lead;
  Executor& readers;  // for what may read the log
};

}  // namespace walden
