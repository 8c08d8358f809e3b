#include "server/grpc/reflection_stream.h"

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "server/call/call.h"
#include "server/call/error_to_proto.h"
#include "server/call/parse_request.h"
#include "server/region/shutting_down.h"

namespace walden {
namespace {

// A response repeats its request.
constexpr size_t kMaxReflectionRequestBytes = size_t{64} << 10;

absl::Status ReflectionRequestTooLarge(size_t bytes) {
  return MakeError(absl::StatusCode::kInvalidArgument, ErrorReason::kLimitExceeded,
                   absl::StrCat("a reflection request of ", bytes, " bytes is larger than ",
                                kMaxReflectionRequestBytes),
                   {{"field", ""},
                    {"value", absl::StrCat(bytes)},
                    {"limit", absl::StrCat(kMaxReflectionRequestBytes)}});
}

}  // namespace

ReflectionStream::ReflectionStream(LiveCalls& live_calls, const std::vector<std::string>& services)
    : live_calls_(live_calls), count_(&live_calls), answers_(services) {
  count_.Limit();
  if (const absl::Status status = Begin(); !status.ok()) {
    End(status);
    return;
  }
  absl::MutexLock lock(&mutex_);
  if (!finished_) StartRead(&request_);
}

absl::Status ReflectionStream::Begin() {
  if (live_calls_.TooMany()) return TooManyCalls(live_calls_.max_calls());
  return live_calls_.Add(this) ? absl::OkStatus() : ShuttingDownError();
}

void ReflectionStream::OnReadDone(bool ok) {
  if (!ok) {
    End(absl::OkStatus());
    return;
  }
  if (const absl::Status status = Answer(); !status.ok()) {
    End(status);
    return;
  }
  absl::MutexLock lock(&mutex_);
  if (!finished_) StartWrite(&response_);
}

absl::Status ReflectionStream::Answer() {
  if (request_.Length() > kMaxReflectionRequestBytes) {
    return ReflectionRequestTooLarge(request_.Length());
  }
  grpc::reflection::v1::ServerReflectionRequest request;
  if (auto parsed = ParseMessage(request_, &request); !parsed.ok()) return parsed.status();
  grpc::reflection::v1::ServerReflectionResponse response;
  answers_.Answer(request, &response);
  const grpc::Slice slice(response.SerializeAsString());
  response_ = grpc::ByteBuffer(&slice, 1);
  return absl::OkStatus();
}

void ReflectionStream::OnWriteDone(bool ok) {
  if (!ok) {
    End(absl::CancelledError("the client is gone"));
    return;
  }
  absl::MutexLock lock(&mutex_);
  if (!finished_) StartRead(&request_);
}

void ReflectionStream::OnCancel() { End(absl::CancelledError("the client cancelled the stream")); }

void ReflectionStream::OnShutdown() { End(ShuttingDownError()); }

void ReflectionStream::OnDone() {
  live_calls_.Remove(this);
  delete this;
}

void ReflectionStream::End(const absl::Status& status) {
  {
    absl::MutexLock lock(&mutex_);
    if (finished_) return;
    finished_ = true;
  }
  Finish(status.ok() ? grpc::Status::OK : ToGrpcStatus(status));
}

}  // namespace walden
