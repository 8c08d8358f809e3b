#include "cli/client/run_read.h"

#include "cli/client/response_stream.h"

namespace walden::cli {

absl::Status RunRead(Connection& connection, const v1::ReadRequest& request,
                     OnReadMessage on_message) {
  return RunStream<v1::ReadResponse>(
      connection,
      [&](grpc::ClientContext* context) { return connection.wal().Read(context, request); },
      on_message);
}

}  // namespace walden::cli
