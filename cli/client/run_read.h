// Runs one Read call.
#pragma once

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "cli/client/connection.h"
#include "walden/v1/wal.pb.h"

namespace walden::cli {

// Called once for each message. A failure cancels the call.
using OnReadMessage = absl::FunctionRef<absl::Status(const v1::ReadResponse& message)>;

// Returns when the stream ended or `on_message` failed: its failure, or how the stream ended. A
// stream that was cut is DATA_LOSS (INCOMPLETE_STREAM).
absl::Status RunRead(Connection& connection, const v1::ReadRequest& request,
                     OnReadMessage on_message);

}  // namespace walden::cli
