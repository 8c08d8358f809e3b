// Makes an error of engine/io/file_system.h from errno.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace walden {

// `operation` is the system call's name.
absl::Status PosixError(absl::string_view operation, const std::string& path, int error_number);

}  // namespace walden
