// Reads a small text file as a whole.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace walden {

// Reads a file of at most 4 MiB. `what` names the kind of file in errors: "configuration file".
// NOT_FOUND, PERMISSION_DENIED, ...: it cannot be read. INVALID_ARGUMENT: it is larger.
absl::StatusOr<std::string> ReadTextFile(absl::string_view what, const std::string& path);

}  // namespace walden
