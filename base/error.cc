#include "base/error.h"

#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

namespace walden {
namespace {

// The status payload that carries an ErrorInfo inside this process: reason, then key and value
// pairs, each ended by a NUL byte. It never leaves the process.
constexpr absl::string_view kPayloadUrl = "walden/error-info";

std::string WithoutNul(absl::string_view text) {
  std::string clean(text);
  for (char& c : clean) {
    if (c == '\0') c = '?';
  }
  return clean;
}

void AppendPair(absl::string_view key, absl::string_view value, std::string& payload) {
  absl::StrAppend(&payload, key, absl::string_view("\0", 1), WithoutNul(value),
                  absl::string_view("\0", 1));
}

}  // namespace

absl::string_view ErrorReasonName(ErrorReason reason) {
  switch (reason) {
    case ErrorReason::kInvalidField:
      return "INVALID_FIELD";
    case ErrorReason::kLimitExceeded:
      return "LIMIT_EXCEEDED";
    case ErrorReason::kBoundsReversed:
      return "BOUNDS_REVERSED";
    case ErrorReason::kUnknownNamespace:
      return "UNKNOWN_NAMESPACE";
    case ErrorReason::kUnauthenticated:
      return "UNAUTHENTICATED";
    case ErrorReason::kPermissionDenied:
      return "PERMISSION_DENIED";
    case ErrorReason::kSequenceMismatch:
      return "SEQUENCE_MISMATCH";
    case ErrorReason::kFenced:
      return "FENCED";
    case ErrorReason::kOwnedElsewhere:
      return "OWNED_ELSEWHERE";
    case ErrorReason::kProducerOutOfOrder:
      return "PRODUCER_OUT_OF_ORDER";
    case ErrorReason::kProducerForgotten:
      return "PRODUCER_FORGOTTEN";
    case ErrorReason::kProducerBatchDiffers:
      return "PRODUCER_BATCH_DIFFERS";
    case ErrorReason::kRecordsGone:
      return "RECORDS_GONE";
    case ErrorReason::kRecordTooLarge:
      return "RECORD_TOO_LARGE";
    case ErrorReason::kAnswerTooLarge:
      return "ANSWER_TOO_LARGE";
    case ErrorReason::kWrongTableKind:
      return "WRONG_TABLE_KIND";
    case ErrorReason::kRestoreOutOfOrder:
      return "RESTORE_OUT_OF_ORDER";
    case ErrorReason::kEntryMemoryFull:
      return "ENTRY_MEMORY_FULL";
    case ErrorReason::kUnknownFlush:
      return "UNKNOWN_FLUSH";
    case ErrorReason::kFlushNotConsumed:
      return "FLUSH_NOT_CONSUMED";
    case ErrorReason::kFlushFinalized:
      return "FLUSH_FINALIZED";
    case ErrorReason::kMailboxFull:
      return "MAILBOX_FULL";
    case ErrorReason::kReaderBudgetFull:
      return "READER_BUDGET_FULL";
    case ErrorReason::kDiskFull:
      return "DISK_FULL";
    case ErrorReason::kDiskReserve:
      return "DISK_RESERVE";
    case ErrorReason::kQuotaExceeded:
      return "QUOTA_EXCEEDED";
    case ErrorReason::kTenantLimit:
      return "TENANT_LIMIT";
    case ErrorReason::kTooManyCalls:
      return "TOO_MANY_CALLS";
    case ErrorReason::kTooManyFiles:
      return "TOO_MANY_FILES";
    case ErrorReason::kTooManyRegions:
      return "TOO_MANY_REGIONS";
    case ErrorReason::kIoError:
      return "IO_ERROR";
    case ErrorReason::kRegionFailed:
      return "REGION_FAILED";
    case ErrorReason::kWriteFailed:
      return "WRITE_FAILED";
    case ErrorReason::kRegionClosed:
      return "REGION_CLOSED";
    case ErrorReason::kShuttingDown:
      return "SHUTTING_DOWN";
    case ErrorReason::kCorruption:
      return "CORRUPTION";
    case ErrorReason::kRegionNotFound:
      return "REGION_NOT_FOUND";
    case ErrorReason::kNotFound:
      return "NOT_FOUND";
    case ErrorReason::kUnsupported:
      return "UNSUPPORTED";
    case ErrorReason::kLocked:
      return "LOCKED";
    case ErrorReason::kUnsupportedFormat:
      return "UNSUPPORTED_FORMAT";
    case ErrorReason::kWrongEngine:
      return "WRONG_ENGINE";
    case ErrorReason::kWrongNamespace:
      return "WRONG_NAMESPACE";
    case ErrorReason::kChangedElsewhere:
      return "CHANGED_ELSEWHERE";
    case ErrorReason::kWrongBackup:
      return "WRONG_BACKUP";
    case ErrorReason::kCancelled:
      return "CANCELLED";
    case ErrorReason::kDeadlineExceeded:
      return "DEADLINE_EXCEEDED";
    case ErrorReason::kInternal:
      return "INTERNAL";
  }
  return "UNKNOWN";
}

absl::Status MakeError(absl::StatusCode code, ErrorReason reason, absl::string_view message,
                       ErrorMetadata metadata) {
  absl::Status status(code, message);
  std::string payload = absl::StrCat(ErrorReasonName(reason), absl::string_view("\0", 1));
  for (const auto& [key, value] : metadata) AppendPair(key, value, payload);
  status.SetPayload(kPayloadUrl, absl::Cord(payload));
  return status;
}

std::optional<ErrorInfo> GetErrorInfo(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayloadUrl);
  if (!payload.has_value()) return std::nullopt;
  const std::string text(*payload);
  std::vector<std::string> fields;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\0', begin);
    fields.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  ErrorInfo info;
  info.reason = fields.empty() ? "" : fields[0];
  for (size_t i = 1; i + 1 < fields.size(); i += 2) info.metadata[fields[i]] = fields[i + 1];
  return info;
}

std::optional<ErrorReason> ErrorReasonOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayloadUrl);
  if (!payload.has_value()) return std::nullopt;
  const std::string text(*payload);
  const absl::string_view name(text.c_str());  // up to the first NUL
  for (size_t i = 0; i < kErrorReasons; ++i) {
    if (ErrorReasonName(static_cast<ErrorReason>(i)) == name) return static_cast<ErrorReason>(i);
  }
  return std::nullopt;
}

bool HasReason(const absl::Status& status, ErrorReason reason) {
  return ErrorReasonOf(status) == reason;
}

absl::Status WithContext(const absl::Status& status, absl::string_view context) {
  if (status.ok()) return status;
  absl::Status longer(status.code(), absl::StrCat(context, ": ", status.message()));
  status.ForEachPayload([&longer](absl::string_view url, const absl::Cord& payload) {
    longer.SetPayload(url, payload);
  });
  return longer;
}

absl::Status WithMetadata(const absl::Status& status, absl::string_view key,
                          absl::string_view value) {
  const std::optional<ErrorInfo> info = GetErrorInfo(status);
  if (!info.has_value() || info->metadata.contains(std::string(key))) return status;
  absl::Status longer = status;
  std::string payload(*status.GetPayload(kPayloadUrl));
  AppendPair(key, value, payload);
  longer.SetPayload(kPayloadUrl, absl::Cord(payload));
  return longer;
}

}  // namespace walden
