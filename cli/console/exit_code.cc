#include "cli/console/exit_code.h"

#include "absl/strings/str_format.h"
#include "cli/console/failure.h"

namespace walden::cli {

ExitCode ExitCodeOf(const absl::Status& status) {
  if (HasReason(status, kReasonInterrupted)) return ExitCode::kInterrupted;
  if (HasReason(status, kReasonOutputClosed)) return ExitCode::kOutputClosed;
  if (HasReason(status, kReasonNoEntry)) return ExitCode::kNoEntry;
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return ExitCode::kDone;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return ExitCode::kUsage;
    case absl::StatusCode::kUnavailable:
      return ExitCode::kUnavailable;
    case absl::StatusCode::kDataLoss:
      return ExitCode::kDataLoss;
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kFailedPrecondition:
      return ExitCode::kPrecondition;
    case absl::StatusCode::kResourceExhausted:
      return ExitCode::kResourceExhausted;
    case absl::StatusCode::kNotFound:
      return ExitCode::kNotFound;
    case absl::StatusCode::kDeadlineExceeded:
      return ExitCode::kTimeout;
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
      return ExitCode::kDenied;
    case absl::StatusCode::kUnimplemented:
      return ExitCode::kUnsupported;
    default:
      return ExitCode::kOther;
  }
}

std::string ExitCodeHelp() {
  struct Row {
    ExitCode code;
    const char* meaning;
  };
  static constexpr Row kRows[] = {
      {ExitCode::kDone, "done"},
      {ExitCode::kOther, "any other error"},
      {ExitCode::kUsage, "wrong usage, or a value that the daemon refused (INVALID_ARGUMENT)"},
      {ExitCode::kUnavailable,
       "daemon not reachable or shutting down, a write failed (UNAVAILABLE)"},
      {ExitCode::kDataLoss, "stored bytes are damaged, or a stream was cut short (DATA_LOSS)"},
      {ExitCode::kPrecondition,
       "fenced, unexpected sequence, region failed (FAILED_PRECONDITION, ABORTED)"},
      {ExitCode::kResourceExhausted, "disk, queue or memory budget full (RESOURCE_EXHAUSTED)"},
      {ExitCode::kNotFound, "no such region (NOT_FOUND)"},
      {ExitCode::kTimeout, "no answer within --timeout (DEADLINE_EXCEEDED)"},
      {ExitCode::kDenied, "not recognised or not allowed (UNAUTHENTICATED, PERMISSION_DENIED)"},
      {ExitCode::kNoEntry, "`walden get`: a key has no entry (NO_ENTRY)"},
      {ExitCode::kUnsupported, "the daemon or the namespace's engine cannot do it (UNIMPLEMENTED)"},
      {ExitCode::kInterrupted, "interrupted before the end"},
      {ExitCode::kOutputClosed, "the reader of standard output closed it"},
  };
  std::string help = "Exit codes:\n";
  for (const Row& row : kRows) {
    absl::StrAppendFormat(&help, "  %3d  %s\n", static_cast<int>(row.code), row.meaning);
  }
  return help;
}

}  // namespace walden::cli
