#include "server/entry/entry_recover_stream.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "server/call/request_checks.h"

namespace walden {

EntryRecoverStream::EntryRecoverStream(const ReadEnvironment& environment,
                                       const grpc::CallbackServerContext& call,
                                       const grpc::ByteBuffer& request)
    : EntryStream(environment, Method::kRecoverEntries, call,
                  v1::EntryRecoverResponse::kEntriesFieldNumber) {
  Begin(request, request_);
}

ChunkStream::Opening EntryRecoverStream::OpenNothing() {
  v1::EntryRecoverResponse response;
  *response.mutable_header() = header_;
  AddMessage(response);
  return Opening::kNothing;
}

// Reads the log in its order, in one pass that does not depend on memory. The pages know the
// numbers of entries and bytes to expect.
absl::StatusOr<std::optional<ChunkStream::Opening>> EntryRecoverStream::OpenTable(
    const std::shared_ptr<RegionActor>& actor, const std::shared_ptr<entry::EntryTable>& table,
    std::unique_ptr<ReadSession>& session) {
  const std::optional<entry::TableSummary> state = table->Summary();
  if (!state.has_value()) return std::nullopt;
  header_.set_finalized_through(state->finalized_through);
  for (const SequenceNumber flush : state->flushes) header_.add_flush_ids(flush);
  header_.set_entries(state->entries);
  header_.set_bytes(state->data_bytes);
  header_.set_spilled_entries(state->spilled_entries);
  const Opening nothing = OpenNothing();
  if (state->through <= state->finalized_through) return nothing;
  const SessionLimits limits{.chunk_payload_bytes = chunk_payload_bytes()};
  auto opened = ReadSession::Open(
      actor,
      {.table = request_.table_id(), .first = state->finalized_through + 1, .last = state->through},
      limits, statistics());
  if (!opened.ok()) return opened.status();
  session = *std::move(opened);
  return Opening::kSession;
}

absl::Status EntryRecoverStream::FinishRecords(const ReadSession*) {
  if (entries() != header_.entries() || bytes() != header_.bytes()) {
    return MakeError(
        absl::StatusCode::kAborted, ErrorReason::kFlushFinalized,
        absl::StrCat("table ", request_.table_id(), " held ", header_.entries(), " entries and ",
                     entries(), " were streamed: some were finalized meanwhile; recover again"));
  }
  v1::EntryRecoverResponse response;
  response.mutable_summary()->set_entries(entries());
  response.mutable_summary()->set_bytes(bytes());
  AddMessage(response);
  return absl::OkStatus();
}

}  // namespace walden
