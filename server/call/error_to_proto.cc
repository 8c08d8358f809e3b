#include "server/call/error_to_proto.h"

#include <optional>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "engine/log_errors.h"
#include "google/rpc/error_details.pb.h"
#include "server/call/time_to_proto.h"

namespace walden {
namespace {

// Statuses travel in HTTP/2 trailers, of which receivers accept 8 KiB.
constexpr size_t kMaxMessageBytes = 1536;
constexpr size_t kMaxMetadataValueBytes = 512;

// Cut text must still be UTF-8, or protobuf refuses it.
std::string Cut(absl::string_view text, size_t limit) {
  if (text.size() <= limit) return std::string(text);
  size_t end = limit;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "...";
}

// Whether the same request may succeed later, without harm. Not WRITE_FAILED: its batch may be
// stored, and a caller without a producer would store it twice.
bool PassesByItself(const absl::Status& status, const ErrorInfo& info) {
  if (absl::IsResourceExhausted(status)) return true;
  for (const ErrorReason passing : {ErrorReason::kIoError, ErrorReason::kRegionFailed,
                                    ErrorReason::kRegionClosed, ErrorReason::kShuttingDown}) {
    if (info.reason == ErrorReasonName(passing)) return true;
  }
  return false;
}

// How long a caller should wait before it repeats the request. Causes that need an operator wait
// longer.
std::optional<absl::Duration> RetryDelay(const absl::Status& status, const ErrorInfo& info) {
  if (!PassesByItself(status, info)) return std::nullopt;
  int64_t millis = 0;
  const auto known = info.metadata.find(std::string(kRetryAfterMillisKey));
  if (known != info.metadata.end() && absl::SimpleAtoi(known->second, &millis)) {
    return absl::Milliseconds(millis);
  }
  for (const ErrorReason soon :
       {ErrorReason::kMailboxFull, ErrorReason::kReaderBudgetFull, ErrorReason::kTenantLimit,
        ErrorReason::kTooManyCalls, ErrorReason::kRegionClosed}) {
    if (info.reason == ErrorReasonName(soon)) return absl::Milliseconds(100);
  }
  return absl::Seconds(1);
}

struct CodeAndReason {
  absl::StatusCode code;
  ErrorReason reason;
};

// The code and reason that clients see of an error that has no reason of its own.
CodeAndReason Unexplained(absl::StatusCode code) {
  using Code = absl::StatusCode;
  switch (code) {
    case Code::kCancelled:
      return {code, ErrorReason::kCancelled};
    case Code::kDeadlineExceeded:
      return {code, ErrorReason::kDeadlineExceeded};
    case Code::kInvalidArgument:
      return {code, ErrorReason::kInvalidField};
    case Code::kUnauthenticated:
      return {code, ErrorReason::kUnauthenticated};
    case Code::kDataLoss:
      return {code, ErrorReason::kCorruption};
    case Code::kUnavailable:
    case Code::kAborted:
      return {Code::kUnavailable, ErrorReason::kIoError};
    case Code::kResourceExhausted:
      return {code, ErrorReason::kTooManyCalls};
    default:
      return {Code::kInternal, ErrorReason::kInternal};
  }
}

// Whether it is the file system's, which names the operation.
bool IsOfAFile(const ErrorInfo& info) { return info.metadata.contains("errno"); }

}  // namespace

absl::Status Outward(const absl::Status& status) {
  if (status.ok()) return status;
  const std::optional<ErrorReason> reason = ErrorReasonOf(status);
  const bool is_of_a_file = reason && IsOfAFile(*GetErrorInfo(status));
  // NOT_FOUND is no reason of the API.
  if (!reason || (*reason == ErrorReason::kNotFound && !is_of_a_file)) {
    const CodeAndReason shown = Unexplained(status.code());
    return MakeError(shown.code, shown.reason, status.message());
  }
  if (is_of_a_file) {
    if (absl::IsNotFound(status)) return MissingFile(status);
    if (absl::IsAlreadyExists(status)) {
      return MakeError(absl::StatusCode::kUnavailable, ErrorReason::kIoError, status.message());
    }
  }
  return status;
}

void ToProtoStatus(const absl::Status& inner, google::rpc::Status* proto) {
  const absl::Status status = Outward(inner);
  proto->set_code(static_cast<int>(status.code()));  // absl's codes have gRPC's values
  proto->set_message(Cut(status.message(), kMaxMessageBytes));
  const auto info = GetErrorInfo(status);
  if (!info.has_value()) return;
  google::rpc::ErrorInfo detail;
  detail.set_reason(info->reason);
  detail.set_domain("walden");
  for (const auto& [key, value] : info->metadata) {
    (*detail.mutable_metadata())[key] = Cut(value, kMaxMetadataValueBytes);
  }
  proto->add_details()->PackFrom(detail);
  const std::optional<absl::Duration> delay = RetryDelay(status, *info);
  if (!delay.has_value()) return;
  google::rpc::RetryInfo retry;
  *retry.mutable_retry_delay() = ToProtoDuration(*delay);
  proto->add_details()->PackFrom(retry);
}

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  google::rpc::Status proto;
  ToProtoStatus(status, &proto);
  return grpc::Status(static_cast<grpc::StatusCode>(proto.code()), proto.message(),
                      proto.SerializeAsString());
}

}  // namespace walden
