// The exit codes of `walden`: part of its interface, scripts decide by them.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace walden::cli {

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
  kInterrupted = 130,   // as a shell reports death by SIGINT
  kOutputClosed = 141,  // as a shell reports death by SIGPIPE
};

// The code of a command that ended with `status`.
ExitCode ExitCodeOf(const absl::Status& status);

// The table of codes for --help.
std::string ExitCodeHelp();

}  // namespace walden::cli
