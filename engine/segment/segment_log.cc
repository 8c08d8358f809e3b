#include "engine/segment/segment_log.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/segment/segment_reader.h"

namespace walden::segment {

SegmentLog::SegmentLog(Environment environment)
    : env_(std::move(environment)), published_(std::make_shared<PublishedLog>(env_.index_budget)) {}

std::string SegmentLog::SegmentPath(uint64_t id) const {
  return absl::StrCat(env_.directory.path, "/", SegmentFileName(id));
}

std::shared_ptr<const SegmentFile> SegmentLog::MakeSegmentFile(const SegmentHeader& header) const {
  return std::make_shared<SegmentFile>(
      env_.file_system, header, SegmentPath(header.segment),
      absl::StrCat(env_.directory.shown_path, "/", SegmentFileName(header.segment)));
}

absl::Status SegmentLog::Health() const {
  absl::MutexLock lock(&health_mutex_);
  return health_;
}

absl::Status SegmentLog::Fail(const absl::Status& cause) {
  absl::MutexLock lock(&health_mutex_);
  if (health_.ok()) {
    health_ =
        MakeError(absl::StatusCode::kFailedPrecondition, ErrorReason::kRegionFailed,
                  absl::StrCat("region ", env_.directory.shown_path,
                               " takes no more writes since a write failed: ", cause.message(),
                               ". Close the region; it reopens at the next call"),
                  {{"cause", std::string(cause.message())}});
  }
  return health_;
}

absl::Status SegmentLog::AppendMetadata(absl::Span<const MetadataEntry> entries) {
  const absl::Status status = metadata_->Append(entries);
  if (status.ok() || absl::IsResourceExhausted(status)) return status;
  return Fail(status);
}

void SegmentLog::MarkDeleted(std::vector<TableMark> marks, std::optional<uint64_t> region_version,
                             DoneWith<std::vector<SequenceNumber>> done) {
  operations_.Add<absl::StatusOr<std::vector<SequenceNumber>>>(
      [this, marks = std::move(marks), region_version] {
        return MarkDeletedNow(marks, region_version);
      },
      std::move(done));
}

absl::StatusOr<std::vector<SequenceNumber>> SegmentLog::MarkDeletedNow(
    absl::Span<const TableMark> marks, std::optional<uint64_t> region_version) {
  absl::Status status = Health();
  if (status.ok()) status = Fence(region_version);
  if (!status.ok()) return status;
  struct Raise {
    TableMark mark;  // in numbers of the log
    SequenceNumber first_live = 0;
  };
  std::vector<Raise> raises;
  std::vector<MetadataEntry> entries;
  std::vector<SequenceNumber> made;
  for (const TableMark& asked : marks) {
    const uint64_t offset = published_->Offset(asked.table);
    const SequenceNumber mark = published_->Mark(asked.table);
    SequenceNumber through = std::min(asked.through, kMaxSequenceNumber - offset) + offset;
    // The end is the last number that may have been answered. It includes numbers in damage, which
    // may have held records of the table: marking them deleted acknowledges the loss.
    through = std::min(through, published_->Facts(asked.table).next - 1 + offset);
    if (through <= mark) {
      made.push_back(mark - std::min(mark, offset));
      continue;
    }
    const absl::StatusOr<SequenceNumber> first_live = FirstLiveAbove(asked.table, through);
    if (!first_live.ok()) {
      return WithMetadata(first_live.status(), "table_id", absl::StrCat(asked.table));
    }
    raises.push_back({{asked.table, through}, *first_live});
    entries.push_back(MetadataEntry::TableMark(asked.table, through));
    made.push_back(through - offset);
  }
  if (raises.empty()) return made;
  status = AppendMetadata(entries);
  if (!status.ok()) return status;
  for (const Raise& raise : raises) {
    published_->RaiseMark(raise.mark.table, raise.mark.through, raise.first_live);
  }
  status = RemoveEmptied();
  // On a full disk emptied segments are removed with a later mark.
  if (!status.ok() && !absl::IsResourceExhausted(status)) return status;
  return made;
}

absl::StatusOr<SequenceNumber> SegmentLog::FirstLiveAbove(TableId table,
                                                          SequenceNumber through) const {
  SequenceNumber first_live = through + 1;
  if (!published_->Straddles(table, through)) return first_live;
  const uint64_t offset = published_->Offset(table);
  SegmentReader reader(published_,
                       {.table = table, .first = through + 1 - offset, .pass_known_damage = true});
  const auto read = reader.Next(
      {.max_records = 1}, [&](const RecordView& record) { first_live = record.sequence + offset; });
  // Reads report the damage; the mark does not depend on it.
  if (!read.ok() && !absl::IsDataLoss(read.status())) return read.status();
  return first_live;
}

absl::Status SegmentLog::RemoveEmptied() {
  const std::vector<PublishedLog::Emptied> emptied = published_->EmptiedSegments();
  if (emptied.empty()) return absl::OkStatus();
  // The window of a producer ends with its last batch. That batch must be durable before the
  // records of earlier ones are removed.
  absl::Status status = SyncActive();
  if (!status.ok()) return status;
  // The segments hold batches of producers, which the metadata must hold from now on.
  std::vector<MetadataEntry> entries = ProducersIn(emptied);
  for (const PublishedLog::Emptied& segment : emptied) {
    entries.push_back(MetadataEntry::SegmentDeleted(segment.id));
  }
  status = AppendMetadata(entries);
  if (!status.ok()) return status;
  published_->RemoveSegments(emptied);
  for (const PublishedLog::Emptied& segment : emptied) {
    const absl::Status removed = env_.file_system->RemoveFile(segment.path);
    // The mark is durable. The next opening tries again to remove the file.
    if (!removed.ok() && !absl::IsNotFound(removed)) {
      env_.observer->OnProblem(
          WithContext(removed, "a segment that was deleted takes disk for nothing"));
      continue;
    }
    if (env_.quota != nullptr) env_.quota->GiveBack(segment.bytes);
    if (removed.ok()) env_.observer->OnReclaimed(segment.bytes);
  }
  return status;
}

absl::Status SegmentLog::SyncActive() { return SyncThrough(written()); }

SegmentLog::WrittenEnd SegmentLog::written() const {
  // Staged batches are not written yet.
  return {.end = active_end_, .next = written_next_, .appends = appends_written_};
}

absl::Status SegmentLog::SyncThrough(const WrittenEnd& end) {
  if (end.end == durable_end_) return absl::OkStatus();
  const absl::Duration began = env_.clock->Now();
  const absl::Status synced = active_->SyncData();
  // After a failed fsync it is unknown what is durable, and a second fsync would not tell.
  if (!synced.ok()) return Fail(synced);
  env_.observer->OnSynced(env_.clock->Now() - began);
  durable_end_ = end.end;
  durable_next_ = end.next;
  published_->SetDurableNext(durable_next_);
  appends_synced_ = end.appends;
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<LogReader>> SegmentLog::NewReader(const ReadRange& range) const {
  return std::make_unique<SegmentReader>(published_, range);
}

std::unique_ptr<TableCut> SegmentLog::CutTables() const { return PublishedLog::NewCut(published_); }

}  // namespace walden::segment
