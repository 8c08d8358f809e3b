#include "engine/io/posix_error.h"

#include <errno.h>

#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/error.h"

namespace walden {

absl::Status PosixError(absl::string_view operation, const std::string& path, int error_number) {
  const std::string text = std::generic_category().message(error_number);
  const std::string message =
      absl::StrCat(operation, " ", path, ": ", text, " (errno ", error_number, ")");
  const auto make = [&](absl::StatusCode code, ErrorReason reason) {
    return MakeError(code, reason, message,
                     {{"file", path},
                      {"operation", std::string(operation)},
                      {"errno", absl::StrCat(error_number)}});
  };
  switch (error_number) {
    case ENOENT:
      return make(absl::StatusCode::kNotFound, ErrorReason::kNotFound);
    case EEXIST:
      return make(absl::StatusCode::kAlreadyExists, ErrorReason::kIoError);
    case ENOSPC:
    case EDQUOT:
      return make(absl::StatusCode::kResourceExhausted, ErrorReason::kDiskFull);
    case EMFILE:
    case ENFILE:
      return make(absl::StatusCode::kResourceExhausted, ErrorReason::kTooManyFiles);
    default:
      return make(absl::StatusCode::kUnavailable, ErrorReason::kIoError);
  }
}

}  // namespace walden
