// Ends a call whose client has stopped reading.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace walden {

// Returns a function that ends the call with this error. It may run on any thread, even after the
// call is gone. A status sent by Finish would wait for the messages that the client does not read;
// this one overtakes them and carries code and message only.
std::function<void()> BreakOff(const grpc::ServerContextBase& call, const absl::Status& status);

// RESOURCE_EXHAUSTED (READER_BUDGET_FULL): a client took nothing for longer than
// limits.reader_stall, while others waited for limits.reader_bytes.
absl::Status ReaderStalled(absl::Duration limit);

}  // namespace walden
