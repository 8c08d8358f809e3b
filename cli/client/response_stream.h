// Runs one call that the daemon answers with a stream.
#pragma once

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "cli/client/connection.h"

namespace walden::cli {

// `start` starts the call and returns its stream. Returns when the stream ended or `on_message`
// failed, which cancels the call: its failure, or how the stream ended.
template <typename Response, typename Start>
absl::Status RunStream(Connection& connection, Start start,
                       absl::FunctionRef<absl::Status(const Response& message)> on_message) {
  grpc::ClientContext context;
  connection.SetStreamDeadline(context);
  const Interrupt::Cancels cancels(connection.interrupt(), context);
  const auto stream = start(&context);
  Response message;
  absl::Status taken;
  while (taken.ok() && stream->Read(&message)) taken = on_message(message);
  if (!taken.ok()) context.TryCancel();
  const grpc::Status ended = stream->Finish();
  return taken.ok() ? connection.Outcome(ended) : taken;
}

}  // namespace walden::cli
