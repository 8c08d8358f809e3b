#include "server/read/read_stream.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/common/table_kind.h"
#include "server/call/region_to_proto.h"
#include "server/call/time_to_proto.h"
#include "server/read/record_encoder.h"

namespace walden {
namespace {

constexpr absl::Duration kMinHeartbeatInterval = absl::Milliseconds(10);
constexpr uint64_t kMaxLastRecords = 1'000'000;

}  // namespace

ReadStream::ReadStream(const ReadEnvironment& environment, const grpc::CallbackServerContext& call,
                       const grpc::ByteBuffer& request)
    : ChunkStream(environment, Method::kRead, call) {
  Begin(
      request, request_, [this] { return CheckRequest(); },
      [this] {
        return request_.follow() ? std::optional<TableId>(request_.table_id()) : std::nullopt;
      });
}

absl::Status ReadStream::CheckRequest() {
  const absl::StatusOr<SequenceBounds> bounds = CheckBounds(request_.start(), request_.end());
  absl::Status status = bounds.status();
  if (!status.ok()) return status;
  bounds_ = *bounds;
  asked_first_ = FirstAsked(request_.start());
  if (request_.has_start_time()) status = CheckTime(request_.start_time(), "start_time");
  if (request_.has_last_records() && request_.last_records() == 0) {
    status = InvalidField("last_records", "0", "must be at least 1");
  } else if (request_.last_records() > kMaxLastRecords) {
    status =
        OverLimit("last_records", "the limit of a read", request_.last_records(), kMaxLastRecords);
  }
  if (!status.ok() || !request_.has_heartbeat_interval()) return status;
  heartbeat_interval_ = absl::Seconds(request_.heartbeat_interval().seconds()) +
                        absl::Nanoseconds(request_.heartbeat_interval().nanos());
  if (heartbeat_interval_ >= kMinHeartbeatInterval) return absl::OkStatus();
  return InvalidField(
      "heartbeat_interval", absl::FormatDuration(heartbeat_interval_),
      absl::StrCat("must be at least ", absl::FormatDuration(kMinHeartbeatInterval)));
}

absl::StatusOr<ChunkStream::Opening> ReadStream::Open(std::shared_ptr<RegionActor> actor,
                                                      std::unique_ptr<ReadSession>& session) {
  const bool may_be_stale = MayBeStale(actor == nullptr ? nullptr : &actor->log());
  may_be_stale_ |= may_be_stale;
  TablePosition position = actor != nullptr
                               ? actor->log().Position(request_.table_id())
                               : ns().engine->PositionInAbsentRegion(request_.table_id());
  absl::Status status = CheckTableKind(request_.table_id(), position.kind, TableKind::kLog);
  if (!status.ok()) return status;
  if (!position_sent_) {
    position_sent_ = true;
    AddPosition(may_be_stale, position, /*caught_up=*/false);
    status = FindBeginning(actor, position);
    if (!status.ok()) return status;
  }
  if (search_.has_value()) {
    const absl::StatusOr<bool> is_found = SearchOn(*actor);
    if (!is_found.ok()) return is_found.status();
    if (!*is_found) return Opening::kAgain;
    position = search_->position;
    search_.reset();
  }
  if (bounds_.empty()) return Opening::kNothing;
  if (actor == nullptr) return request_.follow() ? Opening::kWaitForRegion : Opening::kNothing;

  ReadRange range{.table = request_.table_id(),
                  .first = bounds_.first,
                  .last = bounds_.last,
                  .skip_deleted = request_.skip_deleted()};
  if (!request_.follow()) {
    // The range ends with the records that are there now: a reader must come to an end, however fast
    // the writer is.
    range.last = std::min(range.last, position.next - 1);
    if (range.first > range.last) return Opening::kNothing;
  }
  SessionLimits limits{.chunk_payload_bytes = chunk_payload_bytes(), .table_kind = TableKind::kLog};
  if (request_.max_records() != 0) limits.max_records = request_.max_records();
  if (request_.max_bytes() != 0) limits.max_payload_bytes = request_.max_bytes();
  auto opened = ReadSession::Open(std::move(actor), range, limits, statistics());
  if (!opened.ok()) return opened.status();
  session = *std::move(opened);
  return Opening::kSession;
}

// Records that are deleted from now on end the stream. Earlier deletions do if the start names a
// number that they took; otherwise the first message tells of them.
absl::Status ReadStream::FindBeginning(const std::shared_ptr<RegionActor>& actor,
                                       const TablePosition& position) {
  const SequenceNumber left = position.deleted_through + 1;
  if (request_.has_start() && bounds_.first != 0) {
    if (request_.skip_deleted()) bounds_.first = std::max(bounds_.first, left);
    return absl::OkStatus();
  }
  bounds_.first = left;
  if (actor == nullptr) return absl::OkStatus();
  if (request_.has_last_records()) {
    const std::shared_ptr<const ReadableLog> log(actor, &actor->log());
    search_.emplace(
        Search{{log, request_.table_id(), position, request_.last_records()}, position});
    return absl::OkStatus();
  }
  if (!request_.has_start_time()) return absl::OkStatus();
  const absl::StatusOr<SequenceNumber> first =
      actor->log().FirstSince(request_.table_id(), TimeOf(request_.start_time()));
  if (first.ok()) bounds_.first = std::max(*first, left);
  return first.status();
}

// Returns whether the first of the last records is found.
absl::StatusOr<bool> ReadStream::SearchOn(const RegionActor& actor) {
  if (actor.closed()) return ReadSession::ClosedError(actor);
  const absl::StatusOr<std::optional<SequenceNumber>> first = search_->last_records.Step();
  if (!first.ok()) return first.status();
  if (!first->has_value()) return false;
  bounds_.first = std::max(bounds_.first, **first);
  return true;
}

void ReadStream::AddPosition(bool may_be_stale, const TablePosition& position, bool caught_up) {
  v1::ReadResponse response;
  response.set_may_be_stale(may_be_stale);
  FillPosition(position, response.mutable_position());
  response.set_caught_up(caught_up);
  AddMessage(response);
}

bool ReadStream::AddMark(const RegionLog* log, SequenceNumber next) {
  const bool may_be_stale = MayBeStale(log);
  const TablePosition position = log != nullptr
                                     ? log->Position(request_.table_id())
                                     : ns().engine->PositionInAbsentRegion(request_.table_id());
  if (log != nullptr && position.last >= next) return false;
  AddPosition(may_be_stale, position, /*caught_up=*/true);
  return true;
}

void ReadStream::OnSkipped(const ReadSession& session) {
  const RegionLog& log = session.actor()->log();
  const bool may_be_stale = MayBeStale(&log);
  AddPosition(may_be_stale, log.Position(request_.table_id()), /*caught_up=*/false);
}

absl::Status ReadStream::FinishRecords(const ReadSession* session) {
  v1::ReadResponse response;
  v1::ReadSummary* const summary = response.mutable_summary();
  summary->set_resume_sequence(std::max(bounds_.first, asked_first_));
  response.set_may_be_stale(may_be_stale_ ||
                            MayBeStale(session == nullptr ? nullptr : &session->actor()->log()));
  if (session != nullptr) {
    summary->set_record_count(session->records());
    summary->set_payload_bytes(session->payload_bytes());
    summary->set_resume_sequence(session->next());
  }
  AddMessage(response);
  return absl::OkStatus();
}

void ReadStream::EncodeRecord(const RecordView& record, Chunk& chunk) {
  EncodeReadRecord(record, chunk);
}

}  // namespace walden
