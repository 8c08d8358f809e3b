// From our errors to those of gRPC.
#pragma once

#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "google/rpc/status.pb.h"

namespace walden {

// Code, message, and one google.rpc.ErrorInfo with domain "walden" if MakeError made it.
grpc::Status ToGrpcStatus(const absl::Status& status);

// The same, for an answer inside a stream.
void ToProtoStatus(const absl::Status& status, google::rpc::Status* proto);

}  // namespace walden
