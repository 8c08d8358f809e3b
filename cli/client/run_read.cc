#include "cli/client/run_read.h"

#include "cli/client/response_stream.h"
#include "cli/client/stream_check.h"

namespace walden::cli {
namespace {

absl::Status Check(StreamCheck& check, const v1::ReadResponse& message) {
  if (absl::Status begun = check.BeginMessage(); !begun.ok()) return begun;
  for (const v1::LogRecord& record : message.records()) check.Count(record.payload().size());
  if (!message.has_summary()) return absl::OkStatus();
  return check.TakeSummary(message.summary().record_count(), message.summary().payload_bytes());
}

}  // namespace

absl::Status RunRead(Connection& connection, const v1::ReadRequest& request,
                     OnReadMessage on_message) {
  StreamCheck check("record");
  const absl::Status streamed = RunStream<v1::ReadResponse>(
      connection,
      [&](grpc::ClientContext* context) { return connection.wal().Read(context, request); },
      [&](const v1::ReadResponse& message) {
        const absl::Status sound = Check(check, message);
        return sound.ok() ? on_message(message) : sound;
      });
  return streamed.ok() ? check.Finish() : streamed;
}

}  // namespace walden::cli
