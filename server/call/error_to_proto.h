// From our errors to those of gRPC.
#pragma once

#include <grpcpp/support/status.h>

#include <string>

#include "absl/status/status.h"
#include "google/rpc/status.pb.h"

namespace walden {

// The same error as clients are told it: with a code and a reason of proto/walden/v1/common.proto,
// whatever it was made by. A file that the file system does not find is lost data, not something
// that a client asked for in vain.
absl::Status Outward(const absl::Status& status);

// "CODE (REASON): message", for people.
std::string ShownError(const absl::Status& status);

// Code, message, and one google.rpc.ErrorInfo with domain "walden".
grpc::Status ToGrpcStatus(const absl::Status& status);

// The same, for an answer inside a stream.
void ToProtoStatus(const absl::Status& status, google::rpc::Status* proto);

}  // namespace walden
