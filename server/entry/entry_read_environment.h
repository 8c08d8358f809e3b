// The parts of the daemon that reads of row entries use.
#pragma once

#include "base/clock.h"
#include "server/call/request_limits.h"
#include "server/read/read_environment.h"

namespace walden {

// All outlive every call and may be used by any thread.
struct EntryReadEnvironment {
  ReadEnvironment read;
  const WallClock& wall_clock;  // decides which entries have expired
  RequestLimits limits;
};

}  // namespace walden
