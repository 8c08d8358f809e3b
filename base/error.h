// Errors that programs can tell apart: an absl::Status plus a reason and named values.
//
// A caller decides by status code and reason; the message is for people and says what to do.
// Everything here is safe from any thread.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace walden {

// Sent to clients as google.rpc.ErrorInfo.reason; proto/walden/v1/common.proto lists what each
// means.
enum class ErrorReason {
  kInvalidField,
  kLimitExceeded,
  kBoundsReversed,
  kUnknownNamespace,
  kUnauthenticated,
  kPermissionDenied,
  kSequenceMismatch,
  kFenced,
  kOwnedElsewhere,  // another daemon owns the log; metadata "owner": its address
  kProducerOutOfOrder,
  kProducerForgotten,
  kProducerBatchDiffers,
  kRecordsGone,
  kRecordTooLarge,
  kAnswerTooLarge,
  kWrongTableKind,
  kRestoreOutOfOrder,
  kEntryMemoryFull,
  kUnknownFlush,
  kFlushNotConsumed,
  kFlushFinalized,
  kMailboxFull,
  kReaderBudgetFull,
  kDiskFull,
  kDiskReserve,
  kQuotaExceeded,
  kTenantLimit,
  kTooManyCalls,
  kTooManyFiles,
  kTooManyRegions,
  kIoError,
  kRegionFailed,
  kWriteFailed,
  kRegionClosed,
  kShuttingDown,
  kCorruption,
  kRegionNotFound,
  kNotFound,  // a file, a backup: never sent to clients
  kUnsupported,
  kLocked,
  kUnsupportedFormat,
  kWrongEngine,
  kWrongNamespace,    // the directory was written under another namespace id or name
  kChangedElsewhere,  // another program changed the directory: `walden adopt`
  kWrongBackup,
  kCancelled,
  kDeadlineExceeded,
  kInternal,
  kLast = kInternal,  // of the list
};
inline constexpr size_t kErrorReasons = static_cast<size_t>(ErrorReason::kLast) + 1;

// "INVALID_FIELD", ...
absl::string_view ErrorReasonName(ErrorReason reason);

struct ErrorInfo {
  std::string reason;  // as ErrorReasonName spells it
  std::map<std::string, std::string> metadata;
};

// Metadata: how long to wait before the same request, if that is known.
inline constexpr absl::string_view kRetryAfterMillisKey = "retry_after_millis";

using ErrorMetadata = std::initializer_list<std::pair<absl::string_view, std::string>>;

absl::Status MakeError(absl::StatusCode code, ErrorReason reason, absl::string_view message,
                       ErrorMetadata metadata = {});

// The details that MakeError attached; nullopt for any other status.
std::optional<ErrorInfo> GetErrorInfo(const absl::Status& status);

bool HasReason(const absl::Status& status, ErrorReason reason);

// The reason that MakeError was given, or nullopt for a status made otherwise.
std::optional<ErrorReason> ErrorReasonOf(const absl::Status& status);

// The same error with "context: " before its message; code, reason and metadata stay.
absl::Status WithContext(const absl::Status& status, absl::string_view context);

// Returns the same error with one more pair of metadata, unless it has one with this key. A status without
// a reason stays as it is.
absl::Status WithMetadata(const absl::Status& status, absl::string_view key,
                          absl::string_view value);

}  // namespace walden
