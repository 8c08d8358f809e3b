// Parsing of requests that gRPC hands over as bytes.
#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include "absl/status/status.h"
#include "base/error.h"
#include "server/call/call.h"

namespace walden {

// INVALID_ARGUMENT unless the bytes are a message of this type.
template <typename Message>
absl::Status ParseMessage(const grpc::ByteBuffer& bytes, Message* message) {
  grpc::ByteBuffer consumed = bytes;
  if (grpc::SerializationTraits<Message>::Deserialize(&consumed, message).ok()) {
    return absl::OkStatus();
  }
  return MakeError(absl::StatusCode::kInvalidArgument, ErrorReason::kInvalidField,
                   "the request is not a valid message", {{"field", ""}, {"value", ""}});
}

// Parses a request. Returns call.refused() without parsing if the call is refused.
template <typename Message>
absl::Status ParseRequest(const Call& call, const grpc::ByteBuffer& bytes, Message* message) {
  if (!call.refused().ok()) return call.refused();
  return ParseMessage(bytes, message);
}

}  // namespace walden
