#include "server/entry/scan_stream.h"

#include <utility>

#include "server/call/request_checks.h"
#include "server/entry/entry_request_checks.h"

namespace walden {

ScanStream::ScanStream(const EntryReadEnvironment& environment,
                       const grpc::CallbackServerContext& call, const grpc::ByteBuffer& request)
    : EntryStream(environment.read, Method::kScan, call, v1::ScanResponse::kEntriesFieldNumber),
      wall_clock_(environment.wall_clock) {
  Begin(request, request_, [this, &environment] {
    absl::StatusOr<entry::CursorRange> range = CheckKeyRange(request_, environment.limits);
    if (range.ok()) range_ = *std::move(range);
    return range.status();
  });
}

absl::StatusOr<std::optional<ChunkStream::Opening>> ScanStream::OpenTable(
    const std::shared_ptr<RegionActor>& actor, const std::shared_ptr<entry::EntryTable>& table,
    std::unique_ptr<ReadSession>& session) {
  std::optional<entry::PageView> view = table->ViewAll();
  if (!view.has_value()) return std::nullopt;
  range_.newest_at_unix_ms = wall_clock_.UnixMillis();
  range_.with_hidden = request_.include_hidden();
  const uint64_t max_entries = request_.max_entries() == 0 ? UINT64_MAX : request_.max_entries();
  session = Walk(actor, table, *std::move(view), range_, max_entries);
  return Opening::kSession;
}

absl::Status ScanStream::FinishRecords(const ReadSession*) {
  v1::ScanResponse response;
  response.mutable_summary()->set_entry_count(entries());
  response.mutable_summary()->set_entry_bytes(bytes());
  AddMessage(response);
  return absl::OkStatus();
}

}  // namespace walden
