#include "server/region/read_session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/common/table_kind.h"

namespace walden {
namespace {

// Bounds the bytes that encoding adds to a chunk of many tiny records.
constexpr size_t kSmallestCountedPayload = 64;

}  // namespace

absl::StatusOr<std::unique_ptr<ReadSession>> ReadSession::Open(std::shared_ptr<RegionActor> actor,
                                                               const ReadRange& range,
                                                               const SessionLimits& limits,
                                                               Statistics* statistics) {
  absl::StatusOr<std::unique_ptr<LogReader>> reader = actor->log().NewReader(range);
  if (!reader.ok()) return reader.status();
  return std::unique_ptr<ReadSession>(
      new ReadSession(std::move(actor), *std::move(reader), range, limits, statistics));
}

std::unique_ptr<ReadSession> ReadSession::Over(std::shared_ptr<RegionActor> actor,
                                               std::unique_ptr<LogReader> reader,
                                               const SessionLimits& limits,
                                               Statistics* statistics) {
  return std::unique_ptr<ReadSession>(
      new ReadSession(std::move(actor), std::move(reader), ReadRange{}, limits, statistics));
}

ReadSession::ReadSession(std::shared_ptr<RegionActor> actor, std::unique_ptr<LogReader> reader,
                         const ReadRange& range, const SessionLimits& limits,
                         Statistics* statistics)
    : actor_(std::move(actor)),
      reader_(std::move(reader)),
      range_(range),
      limits_(limits),
      statistics_(statistics) {
  Statistics::Add(statistics_->open_readers, 1);
}

ReadSession::~ReadSession() { Statistics::Subtract(statistics_->open_readers, 1); }

absl::Status ReadSession::ClosedError(const RegionActor& actor) {
  return MakeError(absl::StatusCode::kUnavailable, ErrorReason::kRegionClosed,
                   absl::StrCat("region ", actor.options().key.region,
                                " was closed while it was read; read again from where you are"));
}

void ReadSession::Rest() { reader_ = nullptr; }

absl::StatusOr<ReadProgress> ReadSession::Fill(size_t max_record_bytes,
                                               absl::FunctionRef<void(const RecordView&)> visit,
                                               uint64_t max_records) {
  if (!error_.ok()) return error_;
  if (actor_->closed()) return ClosedError(*actor_);
  if (range_.table.has_value() && limits_.table_kind.has_value()) {
    const absl::Status status = CheckTableKind(
        *range_.table, actor_->log().Position(*range_.table).kind, *limits_.table_kind);
    if (!status.ok()) return status;
  }
  if (reader_ == nullptr) {
    absl::StatusOr<std::unique_ptr<LogReader>> reader = actor_->log().NewReader(range_);
    if (!reader.ok()) return reader.status();
    reader_ = *std::move(reader);
  }
  const ReadLimits step{
      .max_records =
          std::min({limits_.max_records - records_, max_records,
                    uint64_t{limits_.chunk_payload_bytes / kSmallestCountedPayload + 1}}),
      .max_payload_bytes = std::min<uint64_t>(limits_.max_payload_bytes - payload_bytes_,
                                              limits_.chunk_payload_bytes),
      .max_record_bytes = max_record_bytes};
  uint64_t records = 0;
  uint64_t bytes = 0;
  const absl::StatusOr<ReadProgress> progress =
      reader_->Next(step, [this, &visit, &records, &bytes](const RecordView& record) {
        if (range_.table.has_value()) range_.first = record.sequence + 1;
        ++records;
        bytes += record.payload.size();
        visit(record);
      });
  records_ += records;
  payload_bytes_ += bytes;
  Statistics::Add(statistics_->read_records, records);
  Statistics::Add(statistics_->read_payload_bytes, bytes);
  // A region that was dropped meanwhile may look empty to its engine, without an error.
  const absl::Status status =
      progress.ok() && actor_->closed() ? ClosedError(*actor_) : progress.status();
  if (!status.ok()) {
    if (records == 0) return status;
    error_ = status;
    return ReadProgress::kMore;
  }
  if (*progress == ReadProgress::kSkipped && range_.table.has_value()) {
    range_.first =
        std::max(range_.first, actor_->log().Position(*range_.table).deleted_through + 1);
  }
  const bool limit_reached =
      records_ >= limits_.max_records || payload_bytes_ >= limits_.max_payload_bytes;
  return limit_reached ? ReadProgress::kFinished : *progress;
}

}  // namespace walden
