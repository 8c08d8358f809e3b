#include "server/call/break_off.h"

#include <grpc/grpc.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "base/error.h"

namespace walden {

std::function<void()> BreakOff(const grpc::ServerContextBase& call, const absl::Status& status) {
  // It changes nothing of the context.
  grpc_call* const core_call = const_cast<grpc::ServerContextBase&>(call).c_call();
  grpc_call_ref(core_call);
  const std::shared_ptr<grpc_call> held(core_call, grpc_call_unref);
  return [held, code = static_cast<grpc_status_code>(status.code()),
          message = std::string(status.message())] {
    grpc_call_cancel_with_status(held.get(), code, message.c_str(), nullptr);
  };
}

absl::Status ReaderStalled(absl::Duration limit) {
  const std::string shown = absl::FormatDuration(limit);
  return MakeError(
      absl::StatusCode::kResourceExhausted, ErrorReason::kReaderBudgetFull,
      absl::StrCat("the client read no message for longer than limits.reader_stall (", shown,
                   ") while others waited for limits.reader_bytes; read again from "
                   "where you are, and read messages as they come"),
      {{"field", "limits.reader_stall"}, {"limit", shown}});
}

}  // namespace walden
