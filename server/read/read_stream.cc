#include "server/read/read_stream.h"

#include <algorithm>
#include <utility>

#include "engine/common/table_kind.h"
#include "server/read/record_encoder.h"

namespace walden {

ReadStream::ReadStream(const ReadEnvironment& environment, const grpc::CallbackServerContext& call,
                       const grpc::ByteBuffer& request)
    : ChunkStream(environment, Method::kRead, call) {
  Begin(
      request, request_,
      [this] {
        const absl::StatusOr<SequenceBounds> bounds = CheckBounds(request_.start(), request_.end());
        if (bounds.ok()) bounds_ = *bounds;
        return bounds.status();
      },
      [this] {
        return request_.follow() ? std::optional<TableId>(request_.table_id()) : std::nullopt;
      });
}

absl::StatusOr<ChunkStream::Opening> ReadStream::Open(std::shared_ptr<RegionActor> actor,
                                                      std::unique_ptr<ReadSession>& session) {
  const TablePosition position = actor != nullptr
                                     ? actor->log().Position(request_.table_id())
                                     : ns().engine->PositionInAbsentRegion(request_.table_id());
  absl::Status status = CheckTableKind(request_.table_id(), position.kind, TableKind::kLog);
  if (!status.ok()) return status;
  if (!position_sent_) {
    position_sent_ = true;
    AddPosition(position);
    // What is deleted from now on is told. What was before is, if the start names it.
    const SequenceNumber left = position.deleted_through + 1;
    if (bounds_.first == 0) bounds_.first = left;
    if (request_.skip_deleted()) bounds_.first = std::max(bounds_.first, left);
  }
  if (bounds_.empty()) return Opening::kNothing;
  if (actor == nullptr) return request_.follow() ? Opening::kWaitForRegion : Opening::kNothing;

  ReadRange range{.table = request_.table_id(),
                  .first = bounds_.first,
                  .last = bounds_.last,
                  .skip_deleted = request_.skip_deleted()};
  if (!request_.follow()) {
    // What is there now: a reader must come to an end, however fast the writer is.
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

void ReadStream::AddPosition(const TablePosition& position) {
  v1::ReadResponse response;
  v1::TablePosition* const sent = response.mutable_position();
  sent->set_first_sequence(position.first);
  sent->set_next_sequence(position.next);
  sent->set_deleted_through(position.deleted_through);
  AddMessage(response);
}

void ReadStream::OnSkipped(const ReadSession& session) {
  AddPosition(session.actor()->log().Position(request_.table_id()));
}

void ReadStream::EncodeRecord(const RecordView& record, Chunk& chunk) {
  EncodeReadRecord(record, chunk);
}

}  // namespace walden
