// Parsing of requests that gRPC hands over as bytes.
#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "server/call/call.h"
#include "server/call/parsed_size.h"

namespace walden {

// For requests that hold no records.
inline constexpr uint64_t kSmallRequestBytes = uint64_t{1} << 20;

// Returns the bytes that the parsed message takes, at most. INVALID_ARGUMENT unless the bytes are a
// message of this type, and, without parsing them, if it takes more than `limit`.
template <typename Message>
absl::StatusOr<uint64_t> ParseMessage(const grpc::ByteBuffer& bytes, Message* message,
                                      uint64_t limit = kSmallRequestBytes) {
  const uint64_t size = ParsedSize(bytes, *Message::descriptor(), limit);
  if (size > limit) {
    return MakeError(
        absl::StatusCode::kInvalidArgument, ErrorReason::kLimitExceeded,
        absl::StrCat("the message takes more than ", limit,
                     " bytes when it is parsed: it has too many fields for its length; send less "
                     "in one message"),
        {{"field", ""}, {"value", absl::StrCat(size)}, {"limit", absl::StrCat(limit)}});
  }
  grpc::ByteBuffer consumed = bytes;
  if (grpc::SerializationTraits<Message>::Deserialize(&consumed, message).ok()) return size;
  return MakeError(absl::StatusCode::kInvalidArgument, ErrorReason::kInvalidField,
                   "the request is not a valid message", {{"field", ""}, {"value", ""}});
}

// Parses a request. Returns call.refused() without parsing if the call is refused.
template <typename Message>
absl::Status ParseRequest(const Call& call, const grpc::ByteBuffer& bytes, Message* message,
                          uint64_t limit = kSmallRequestBytes) {
  if (!call.refused().ok()) return call.refused();
  return ParseMessage(bytes, message, limit).status();
}

// The bytes of an answer. It is empty where memory is short, which gRPC reports.
template <typename Message>
grpc::ByteBuffer ToBytes(const Message& message) {
  grpc::ByteBuffer bytes;
  bool own_buffer = false;
  (void)grpc::SerializationTraits<Message>::Serialize(message, &bytes, &own_buffer);
  return bytes;
}

}  // namespace walden
