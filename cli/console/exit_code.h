// The exit codes of `walden`: part of its interface, scripts decide by them.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace walden::cli {

// The reason of `walden get` for a key that has no entry.
inline constexpr absl::string_view kReasonNoEntry = "NO_ENTRY";

enum class ExitCode : int {
  kDone = 0,
  kOther = 1,
  kUsage = 2,
  kUnavailable = 3,
  kDataLoss = 4,
  kPrecondition = 5,
  kResourceExhausted = 6,
  kNotFound = 7,
  kTimeout = 8,
  kDenied = 9,
  kNoEntry = 10,        // of `get`: apart from a region that does not exist
  kUnsupported = 11,    // apart from errors that may pass: it will not work later either
  kInterrupted = 130,   // as a shell reports death by SIGINT
  kOutputClosed = 141,  // as a shell reports death by SIGPIPE
};

// The code of a command that ended with `status`.
ExitCode ExitCodeOf(const absl::Status& status);

// The table of codes for --help.
std::string ExitCodeHelp();

}  // namespace walden::cli
