// The error of calls that the daemon's shutdown ends.
#pragma once

#include "absl/status/status.h"
#include "base/error.h"

namespace walden {

// UNAVAILABLE (SHUTTING_DOWN).
inline absl::Status ShuttingDownError() {
  return MakeError(absl::StatusCode::kUnavailable, ErrorReason::kShuttingDown,
                   "the daemon is shutting down; try again when it is back");
}

}  // namespace walden
