#include "server/recover_stream.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/describe.h"
#include "server/parse_request.h"
#include "server/record_encoder.h"
#include "server/validation.h"

namespace walden {

RecoverStream::RecoverStream(const RpcContext& context, const grpc::CallbackServerContext& call,
                             const grpc::ByteBuffer& request)
    : ChunkStream(context, Method::kRecover, call) {
  absl::StatusOr<RegionKey> key = RegionKey{};
  if (absl::Status status = ParseRequest(call_, request, &request_); !status.ok()) {
    key = status;
  } else if (request_.first_sequence() != 0 && !request_.has_table_id()) {
    key = InvalidField("first_sequence", absl::StrCat(request_.first_sequence()),
                       "it needs table_id: each table has numbers of its own");
  } else {
    key = call_.EnterRegion(request_.namespace_(), request_.region_id());
  }
  Begin(key, std::nullopt);
}

absl::StatusOr<ChunkStream::Opening> RecoverStream::Open(std::shared_ptr<RegionActor> actor,
                                                         std::unique_ptr<ReadSession>& session) {
  RegionDescription description;
  if (actor != nullptr) description = actor->log().Describe();
  std::optional<TableId> table;
  if (request_.has_table_id()) {
    table = request_.table_id();
    std::erase_if(description.tables, [&table](const TableState& t) { return t.table != *table; });
  }
  v1::RecoverResponse response;
  FillRegionState(description,
                  context_.registry->namespaces().Find(request_.namespace_())->engine->name(),
                  response.mutable_state());
  AddMessage(response);

  // What is there now: appends that come meanwhile are not part of it.
  SequenceNumber last = 0;
  for (const TableState& state : description.tables) last = std::max(last, state.next - 1);
  const SequenceNumber first = std::max<SequenceNumber>(1, request_.first_sequence());
  if (actor == nullptr || first > last) return Opening::kNothing;
  const ReadRange range{.table = table, .first = first, .last = last};
  const SessionLimits limits{.chunk_payload_bytes = context_.limits.read_chunk_bytes};
  auto opened = ReadSession::Open(std::move(actor), range, limits, context_.statistics);
  if (!opened.ok()) return opened.status();
  session = *std::move(opened);
  return Opening::kSession;
}

void RecoverStream::BeginChunk(Chunk& chunk) { BeginRecoverChunk(chunk); }

void RecoverStream::EncodeRecord(const RecordView& record, Chunk& chunk) {
  if (tables_.empty() || record.table != last_table_) {
    last_table_ = record.table;
    tables_.insert(record.table);
  }
  EncodeRecoverRecord(record, chunk);
}

size_t RecoverStream::FinishChunk(Chunk& chunk) { return FinishRecoverChunk(chunk); }

absl::Status RecoverStream::FinishRecords(const ReadSession* session) {
  v1::RecoverResponse response;
  v1::RecoverSummary* const summary = response.mutable_summary();
  if (session != nullptr) {
    summary->set_records(session->records());
    summary->set_payload_bytes(session->payload_bytes());
  }
  summary->set_tables(tables_.size());
  AddMessage(response);
  return absl::OkStatus();
}

}  // namespace walden
