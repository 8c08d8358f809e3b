// Durations as people write them.
#pragma once

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace walden {

// Parses as absl::ParseDuration, and takes days in front: "30d", "1d12h", "1.5d". Returns false,
// and leaves `value` unspecified, for any other text.
bool ParseDurationWithDays(absl::string_view text, absl::Duration* value);

}  // namespace walden
