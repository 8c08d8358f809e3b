// The times at which failed regions and namespaces are reopened automatically.
#pragma once

#include <algorithm>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/error.h"

namespace walden {

struct ReopenPolicy {
  uint32_t attempts = 10;                      // in a row; 0: never automatically
  absl::Duration backoff = absl::Seconds(1);   // before the first, doubled after each
  absl::Duration longest = absl::Seconds(60);  // but never more than this

  // Before the attempt that comes after `failures` others.
  absl::Duration WaitAfter(uint32_t failures) const {
    return std::min(longest, backoff * static_cast<double>(uint64_t{1} << std::min(failures, 20U)));
  }
  // A region that stayed open for this long has recovered: its attempts are counted anew.
  absl::Duration recovered_after() const { return 10 * longest; }
};

// Whether reopening may succeed although nothing was changed. It cannot after damage, or if the
// stored data does not fit the configuration.
inline bool MayPassByItself(const absl::Status& why) {
  for (const ErrorReason stays :
       {ErrorReason::kCorruption, ErrorReason::kUnsupportedFormat, ErrorReason::kWrongEngine,
        ErrorReason::kWrongNamespace, ErrorReason::kChangedElsewhere}) {
    if (HasReason(why, stays)) return false;
  }
  return !absl::IsDataLoss(why);
}

}  // namespace walden
