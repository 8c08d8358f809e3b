#include "cli/read_stream.h"

namespace walden::cli {

absl::Status RunRead(Connection& connection, const v1::ReadRequest& request,
                     OnReadMessage on_message) {
  grpc::ClientContext context;
  connection.SetStreamDeadline(context);
  const Interrupt::Cancels cancels(connection.interrupt(), context);
  const auto stream = connection.wal().Read(&context, request);
  v1::ReadResponse message;
  absl::Status taken;
  while (taken.ok() && stream->Read(&message)) taken = on_message(message);
  if (!taken.ok()) context.TryCancel();
  const grpc::Status ended = stream->Finish();
  return taken.ok() ? connection.Outcome(ended) : taken;
}

}  // namespace walden::cli
