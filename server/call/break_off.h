// Ends a call whose client has stopped reading.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace walden {

// Returns a function that ends the call with this error. It may run on any thread, also after the
// call has ended. Finish would wait until the client reads the messages that were sent before; this
// status overtakes them. It carries code and message only.
std::function<void()> BreakOff(const grpc::ServerContextBase& call, const absl::Status& status);

// RESOURCE_EXHAUSTED (READER_BUDGET_FULL): the client read no message for longer than
// limits.reader_stall while other readers waited for limits.reader_bytes.
absl::Status ReaderStalled(absl::Duration limit);

}  // namespace walden
