// Finds the known name that a mistyped one may have meant.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace walden {

// The known name that takes the fewest edits (insert, delete, replace one character) to reach, or
// empty when none is near.
std::string NearestName(absl::string_view name, const std::vector<std::string>& known);

// ", did you mean ...?", or empty.
std::string DidYouMean(absl::string_view name, const std::vector<std::string>& known);

}  // namespace walden
