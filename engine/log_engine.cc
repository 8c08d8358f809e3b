#include "engine/log_engine.h"

#include "base/error.h"

namespace walden {

void RegionLog::Release(Done done) {
  done(MakeError(absl::StatusCode::kUnimplemented, ErrorReason::kUnsupported,
                 "the log cannot be released: it is owned as long as it is open"));
}

}  // namespace walden
