#include "server/read/recover_stream.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/call/region_to_proto.h"
#include "server/call/request_checks.h"
#include "server/read/record_encoder.h"

namespace walden {

RecoverStream::RecoverStream(const ReadEnvironment& environment,
                             const grpc::CallbackServerContext& call,
                             const grpc::ByteBuffer& request)
    : ChunkStream(environment, Method::kRecover, call) {
  Begin(request, request_, [this]() -> absl::Status {
    if (request_.start_sequence() == 0 || request_.has_table_id()) return absl::OkStatus();
    return InvalidField("start_sequence", absl::StrCat(request_.start_sequence()),
                        "it needs table_id: each table has numbers of its own");
  });
}

// The reader first: what is marked deleted from here on is streamed all the same, or ends the
// stream. So no record is missing that the state, which follows, says is there.
absl::StatusOr<ChunkStream::Opening> RecoverStream::Open(std::shared_ptr<RegionActor> actor,
                                                         std::unique_ptr<ReadSession>& session) {
  if (actor == nullptr) {
    v1::RecoverResponse response;
    FillRegionState({}, *ns().engine, response.mutable_state());
    may_be_stale_ = MayBeStale(nullptr);
    response.set_may_be_stale(may_be_stale_);
    AddMessage(response);
    return Opening::kNothing;
  }
  may_be_stale_ = MayBeStale(&actor->log());
  ReadRange range;
  if (request_.has_table_id()) {
    range.table = request_.table_id();
    const TablePosition position = actor->log().Position(request_.table_id());
    const bool is_left = request_.start_sequence() > position.deleted_through;
    range.first = is_left ? request_.start_sequence() : 0;
  }
  auto opened =
      ReadSession::Open(actor, range, {.chunk_payload_bytes = chunk_payload_bytes()}, statistics());
  if (!opened.ok()) return opened.status();
  session = *std::move(opened);
  reading_ = session.get();
  actor_ = std::move(actor);
  if (!range.table) cut_ = actor_->log().CutTables();
  state_at_ = DescribeCursor{.part = DescribeCursor::Part::kDamage};
  return Opening::kSession;
}

// A table's state takes some 70 bytes, a damaged range some hundred.
size_t RecoverStream::ItemsPerMessage(const OpeningReport& opening) const {
  const bool damaged = opening.outcome == OpeningReport::Outcome::kQuarantined;
  return std::max<size_t>(1, chunk_payload_bytes() / (damaged ? 512 : 64));
}

// The states of the next tables, fewer than `limit` only at the end.
std::vector<TableState> RecoverStream::TakeTables(size_t limit) {
  if (cut_ != nullptr) {
    std::vector<TableState> tables = cut_->Next(limit);
    if (tables.size() < limit) cut_.reset();
    return tables;
  }
  if (!is_first_state_ || !request_.has_table_id()) return {};
  std::vector<TableState> tables =
      actor_->log().DescribePage({.from = request_.table_id()}, 1).description.tables;
  std::erase_if(tables,
                [&](const TableState& state) { return state.table != request_.table_id(); });
  return tables;
}

void RecoverStream::FillPreface(Chunk& chunk) {
  const RegionLog& log = actor_->log();
  const size_t items = ItemsPerMessage(log.Summary().opening);
  std::vector<TableState> tables = TakeTables(items);
  const size_t left = cut_ == nullptr ? items - std::min(items, tables.size()) : 0;
  RegionPage page = log.DescribePage(*state_at_, left);
  page.description.tables = std::move(tables);
  v1::RecoverResponse response;
  if (std::exchange(is_first_state_, false)) {
    FillRegionState(page.description, *ns().engine, response.mutable_state());
    response.set_may_be_stale(may_be_stale_);
  } else {
    FillRegionLists(page.description, response.mutable_state());
  }
  EncodeMessage(response, chunk);
  state_at_ = page.next;
  if (state_at_ && state_at_->part == DescribeCursor::Part::kSegments) state_at_.reset();
  // Appends that come later are not part of it.
  if (!state_at_ && WantsRecords()) reading_->EndHere();
}

void RecoverStream::EncodeRecord(const RecordView& record, Chunk& chunk) {
  if (tables_.empty() || record.table != last_table_) {
    last_table_ = record.table;
    tables_.insert(record.table);
  }
  EncodeRecoverRecord(record, chunk);
}

absl::Status RecoverStream::FinishRecords(const ReadSession* session) {
  v1::RecoverResponse response;
  v1::RecoverSummary* const summary = response.mutable_summary();
  if (session != nullptr) {
    summary->set_record_count(session->records());
    summary->set_payload_bytes(session->payload_bytes());
  }
  summary->set_table_count(tables_.size());
  response.set_may_be_stale(may_be_stale_ ||
                            MayBeStale(session == nullptr ? nullptr : &session->actor()->log()));
  AddMessage(response);
  return absl::OkStatus();
}

}  // namespace walden
