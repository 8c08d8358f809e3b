#include "server/entry/entry_recover_stream.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "server/call/request_checks.h"

namespace walden {

EntryRecoverStream::EntryRecoverStream(const ReadEnvironment& environment,
                                       const grpc::CallbackServerContext& call,
                                       const grpc::ByteBuffer& request)
    : EntryStream(environment, Method::kRecoverEntries, call,
                  v1::EntryServiceRecoverResponse::kEntriesFieldNumber) {
  Begin(request, request_);
}

ChunkStream::Opening EntryRecoverStream::OpenNothing() {
  AddState({});
  return Opening::kNothing;
}

// The first message has everything but the flushes that do not fit it.
void EntryRecoverStream::AddState(absl::Span<const SequenceNumber> flushes) {
  constexpr size_t kFlushesPerMessage = 300;  // of 11 bytes: they fit the smallest message
  v1::EntryServiceRecoverResponse response;
  *response.mutable_state() = state_;
  while (true) {
    const size_t count = std::min(flushes.size(), kFlushesPerMessage);
    for (const SequenceNumber flush : flushes.first(count)) {
      response.mutable_state()->add_flush_ids(flush);
    }
    flushes.remove_prefix(count);
    AddMessage(response);
    if (flushes.empty()) return;
    response.Clear();
  }
}

// Reads the log in its order, in one pass that does not depend on memory. The pages know the
// numbers of entries and bytes to expect.
absl::StatusOr<std::optional<ChunkStream::Opening>> EntryRecoverStream::OpenTable(
    const std::shared_ptr<RegionActor>& actor, const std::shared_ptr<entry::EntryTable>& table,
    std::unique_ptr<ReadSession>& session) {
  const std::optional<entry::TableSummary> state = table->Summary();
  if (!state.has_value()) return std::nullopt;
  state_.set_finalized_through(state->finalized_through);
  state_.set_entry_count(state->entries);
  state_.set_entry_bytes(state->data_bytes);
  state_.set_spilled_entry_count(state->spilled_entries);
  AddState(state->flushes);
  if (state->through <= state->finalized_through) return Opening::kNothing;
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
  if (entries() != state_.entry_count() || bytes() != state_.entry_bytes()) {
    return MakeError(
        absl::StatusCode::kAborted, ErrorReason::kFlushFinalized,
        absl::StrCat("table ", request_.table_id(), " held ", state_.entry_count(), " entries and ",
                     entries(), " were streamed: some were finalized meanwhile; recover again"));
  }
  v1::EntryServiceRecoverResponse response;
  response.mutable_summary()->set_entry_count(entries());
  response.mutable_summary()->set_entry_bytes(bytes());
  AddMessage(response);
  return absl::OkStatus();
}

}  // namespace walden
