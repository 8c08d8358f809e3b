// Reading a small text file whole.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace walden {

// Of 4 MiB at most. `what` says what the file is, for errors: "configuration file". NOT_FOUND,
// PERMISSION_DENIED, ...: it cannot be read. INVALID_ARGUMENT: it is larger.
absl::StatusOr<std::string> ReadTextFile(absl::string_view what, const std::string& path);

}  // namespace walden
