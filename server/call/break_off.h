// Ends a call whose client takes nothing any more.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace walden {

// What ends the call with this error, from any thread, even after the call is gone. A status that
// goes the ordinary way waits behind the messages that the client does not take; this one overtakes
// them, with code and message alone.
std::function<void()> BreakOff(const grpc::ServerContextBase& call, const absl::Status& status);

// RESOURCE_EXHAUSTED (READER_BUDGET_FULL): a client took nothing for longer than
// limits.reader_stall, while others waited for limits.reader_bytes.
absl::Status ReaderStalled(absl::Duration limit);

}  // namespace walden
