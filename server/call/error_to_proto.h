// Turns Walden's errors into gRPC's.
#pragma once

#include <grpcpp/support/status.h>

#include <string>

#include "absl/status/status.h"
#include "google/rpc/status.pb.h"

namespace walden {

// The form of an error that clients see: with a code and a reason of proto/walden/v1/common.proto.
// A file that the file system does not find becomes lost data, not NOT_FOUND.
absl::Status Outward(const absl::Status& status);

// "CODE (REASON): message", for people.
std::string ShownError(const absl::Status& status);

// Code, message, and one google.rpc.ErrorInfo with domain "walden".
grpc::Status ToGrpcStatus(const absl::Status& status);

// ToGrpcStatus for an answer inside a stream.
void ToProtoStatus(const absl::Status& status, google::rpc::Status* proto);

}  // namespace walden
