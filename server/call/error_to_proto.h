// Turns Walden's errors into gRPC's.
#pragma once

#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "google/rpc/status.pb.h"

namespace walden {

// Converts an error to the form that clients see: its code and reason are those of
// proto/walden/v1/common.proto. A missing file becomes DATA_LOSS, not NOT_FOUND.
absl::Status Outward(const absl::Status& status);

// The status has code, message, one google.rpc.ErrorInfo of the domain "walden" and, if the same
// request may succeed later without harm, a google.rpc.RetryInfo.
grpc::Status ToGrpcStatus(const absl::Status& status);

// As ToGrpcStatus, for one answer inside a stream.
void ToProtoStatus(const absl::Status& status, google::rpc::Status* proto);

}  // namespace walden
