// Group commit: check and encode every batch, one write, one sync, then tell readers.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/append_checks.h"
#include "engine/error.h"
#include "engine/segment/format.h"
#include "engine/segment/segment_log.h"
#include "engine/table_kind.h"

namespace walden::segment {
namespace {

// BUFFERED numbers are reserved in the metadata this many at a time, so that none that a client saw
// is given out again when a power cut takes its record.
constexpr SequenceNumber kReserveNumbers = 1 << 20;

// A large group goes to the disk in portions of this size, so that encoding one overlaps with
// writing another.
constexpr uint64_t kPortionBytes = 512 << 10;

}  // namespace

void SegmentLog::Commit(absl::Span<AppendBatch* const> group, std::function<void()> done) {
  uint64_t bytes = 0;
  for (const AppendBatch* batch : group) {
    bytes += EncodedBatchBytes(batch->payloads, batch->producer.has_value());
  }
  writer_.Reserve(bytes);
  staged_.clear();
  staged_last_.clear();
  bool sync = false;
  for (AppendBatch* batch : group) {
    batch->result = {};
    batch->result.status = Stage(*batch);
    if (batch->result.status.ok() && batch->durability == Durability::kSync) sync = true;
  }
  absl::Status status = Health();
  if (status.ok()) status = WriteStaged();
  if (status.ok() && (sync || unsynced_appends_ >= env_.options.buffered_sync_every_writes)) {
    status = SyncActive();
  }
  if (status.ok() && !staged_.empty()) status = CheckActive();
  if (status.ok()) PublishStaged();
  for (AppendBatch* batch : group) {
    if (!batch->result.status.ok()) continue;
    batch->result.status = status;
    batch->result.durable = unsynced_bytes_ == 0;
  }
  done();
}

absl::Status SegmentLog::CheckBatch(const AppendBatch& batch) const {
  const absl::Status status = CheckPayloads(batch);
  if (!status.ok()) return status;
  const uint64_t bytes = EncodedBatchBytes(batch.payloads, batch.producer.has_value());
  const uint64_t limit = env_.options.segment_size_bytes - kMagicBytes;
  if (bytes > limit) {
    return MakeError(
        absl::StatusCode::kInvalidArgument, ErrorReason::kLimitExceeded,
        absl::StrCat("the batch takes ", bytes, " bytes, a segment of this region holds ", limit,
                     ": send smaller batches, or configure a larger segment_size"),
        {{"field", "payloads"}, {"value", absl::StrCat(bytes)}, {"limit", absl::StrCat(limit)}});
  }
  return absl::OkStatus();
}

absl::Status SegmentLog::Stage(AppendBatch& batch) {
  PublishedLog::TableFacts table = published_->Facts(batch.table);
  if (const auto staged = staged_last_.find(batch.table); staged != staged_last_.end()) {
    table.last = staged->second;
    if (!table.kind) table.kind = TableKind::kLog;
  }
  absl::Status status = Health();
  if (status.ok()) status = CheckBatch(batch);
  if (status.ok()) status = CheckTableKind(batch.table, table.kind, batch.kind);
  if (status.ok()) status = Fence(batch.region_version);
  if (!status.ok()) return status;
  if (AnswerRetry(producers_, batch, &status)) {
    if (!status.ok()) return status;
    batch.result.first -= table.offset;
    batch.result.last -= table.offset;
    return status;
  }

  status = CheckExpectedNext(batch, table.last - std::min(table.last, table.offset) + 1);
  if (!status.ok()) return status;
  if (metadata_->state().closed) status = AppendMetadata({MetadataEntry::Opened()});
  SequenceNumber first = next_;
  if (status.ok() && batch.first_sequence) status = PlaceRestored(batch, table, &first);
  if (status.ok()) status = CheckNumbersLeft(first, batch.payloads.size());
  if (status.ok() && batch.durability == Durability::kBuffered) {
    status = Reserve(first + batch.payloads.size() - 1);
  }
  if (status.ok()) {
    status = MakeRoom(EncodedBatchBytes(batch.payloads, batch.producer.has_value()));
  }
  if (status.ok() && !table.kind) status = DecideKind(batch);
  if (!status.ok()) return status;

  Encode(batch, first);
  batch.result.first = first - table.offset;
  batch.result.last = next_ - 1 - table.offset;
  staged_last_[batch.table] = next_ - 1;
  ++unsynced_appends_;
  if (batch.producer) {
    producers_.Add({batch.producer->id, batch.table, batch.producer->sequence, first, next_ - 1});
  }
  if (writer_.size() < kPortionBytes) return absl::OkStatus();
  const uint64_t begin = active_end_;
  status = WriteStaged();
  if (status.ok()) active_->StartWriteBack(begin, active_end_ - begin);
  return status;
}

// A table with records is a plain log unless the metadata says otherwise, durably and before them.
absl::Status SegmentLog::DecideKind(const AppendBatch& batch) {
  if (batch.kind != TableKind::kEntries) return absl::OkStatus();
  const absl::Status status = AppendMetadata({MetadataEntry::EntryTable(batch.table)});
  if (status.ok()) published_->SetEntryTable(batch.table);
  return status;
}

absl::Status SegmentLog::Fence(std::optional<uint64_t> version) {
  const uint64_t highest = metadata_->state().region_version;
  const absl::Status fenced = CheckFence(version, highest);
  if (!fenced.ok() || version.value_or(highest) == highest) return fenced;
  const absl::Status status = AppendMetadata({MetadataEntry::RegionVersion(*version)});
  if (status.ok()) published_->SetRegionVersion(*version);
  return status;
}

absl::Status SegmentLog::Reserve(SequenceNumber through) {
  if (through <= metadata_->state().reserved_through) return absl::OkStatus();
  return AppendMetadata({MetadataEntry::SequenceReserved(
      through + std::min(kReserveNumbers, kMaxSequenceNumber - through))});
}

absl::Status SegmentLog::MakeRoom(uint64_t bytes) {
  if (active_ != nullptr && active_end_ + writer_.size() + bytes <= active_bytes_) {
    return absl::OkStatus();
  }
  const absl::Status status = WriteStaged();
  return status.ok() ? Roll() : status;
}

void SegmentLog::Encode(const AppendBatch& batch, SequenceNumber first) {
  if (staged_.empty() || staged_.back().segment != active_id_) {
    staged_.push_back({.segment = active_id_});
  }
  std::vector<Run>& runs = staged_.back().runs;
  const auto position = [&] { return static_cast<uint32_t>(active_end_ + writer_.size()); };
  uint8_t flags = (barrier_ ? kBarrier : 0) | (first != walk_next_ ? kJump : 0);
  barrier_ = false;
  if (batch.producer) {
    writer_.AddProducer({static_cast<uint8_t>(flags | kControl | kMoreOfBatch), batch.table, first},
                        batch.producer->id, batch.producer->sequence);
    flags = 0;
  }
  Run run{.table = batch.table, .first = first, .begin = position()};
  for (size_t i = 0; i < batch.payloads.size(); ++i) {
    const uint64_t record_end = position() + kMinRecordBytes + batch.payloads[i].size();
    if (record_end - run.begin > kMaxRunBytes && run.first != first + i) {
      runs.push_back(run);
      run = {.table = batch.table, .first = first + i, .begin = position()};
    }
    if (i + 1 < batch.payloads.size()) flags |= kMoreOfBatch;
    writer_.AddRecord({flags, batch.table, first + i}, batch.payloads[i]);
    flags = 0;
    run.last = first + i;
    run.end = position();
  }
  runs.push_back(run);
  next_ = first + batch.payloads.size();
  walk_next_ = next_;
  staged_.back().end = position();
  staged_.back().expected_at_end = walk_next_;
}

absl::Status SegmentLog::WriteStaged() {
  if (writer_.size() == 0) return absl::OkStatus();
  has_unsynced_.store(true, std::memory_order_relaxed);
  std::vector<absl::string_view> slice;
  uint64_t slice_bytes = 0;
  const auto write_slice = [&] {
    const absl::Status status = active_->Write(active_end_, slice);
    if (!status.ok()) return Fail(status);
    active_end_ += slice_bytes;
    unsynced_bytes_ += slice_bytes;
    slice.clear();
    slice_bytes = 0;
    return absl::OkStatus();
  };
  for (absl::string_view piece : writer_.pieces()) {
    while (!piece.empty()) {
      if (unsynced_bytes_ + slice_bytes == kMaxUnsyncedBytes) {
        absl::Status status = write_slice();
        if (status.ok()) {
          const uint32_t appends = unsynced_appends_;
          status = SyncActive();
          unsynced_appends_ = appends;
          // The next record was encoded before this sync, without the barrier.
        }
        if (!status.ok()) return status;
      }
      const uint64_t room = kMaxUnsyncedBytes - unsynced_bytes_ - slice_bytes;
      const absl::string_view head = piece.substr(0, room);
      slice.push_back(head);
      slice_bytes += head.size();
      piece.remove_prefix(head.size());
    }
  }
  const absl::Status status = write_slice();
  writer_.Clear();
  // More was written since the last sync: the next record is none to promise that all is durable.
  barrier_ = false;
  return status;
}

// Records in a file that lost its name, or that was cut, are gone with the next opening.
absl::Status SegmentLog::CheckActive() {
  const absl::Status in_place = active_->CheckInPlace(SegmentPath(active_id_), active_bytes_);
  return in_place.ok() ? in_place : Fail(in_place);
}

absl::Status SegmentLog::Roll() {
  absl::Status status = active_ == nullptr ? absl::OkStatus() : SyncActive();
  if (status.ok() && active_ != nullptr) status = CheckActive();
  if (!status.ok()) return status;
  const uint64_t id = metadata_->state().next_segment_id;
  const uint64_t bytes = env_.options.segment_size_bytes;
  const std::string path = SegmentPath(id);
  // Until the metadata names it the file is nothing: without room the region stays as it was.
  if (env_.quota != nullptr) status = env_.quota->Take(bytes);
  if (!status.ok()) return status;
  bool was_prepared = false;
  status = env_.spares->Take(bytes, path, &was_prepared);
  std::unique_ptr<File> file;
  if (status.ok()) {
    auto opened = env_.file_system->OpenFile(path, FileSystem::OpenMode::kReadWrite);
    status = opened.status();
    if (opened.ok()) file = *std::move(opened);
  }
  if (status.ok()) status = env_.file_system->SyncDirectory(env_.directory.path);
  if (status.ok()) {
    status = metadata_->Append({MetadataEntry::SegmentCreated(id, walk_next_, bytes)});
  }
  if (!status.ok() && env_.quota != nullptr) env_.quota->GiveBack(bytes);
  if (absl::IsResourceExhausted(status)) {
    // Best effort: if it stays, the next opening finds it unnamed and removes it.
    (void)env_.file_system->RemoveFile(path);
    return status;
  }
  if (!status.ok()) return Fail(status);
  published_->SealNewest();
  published_->AddSegment({.file = MakeSegmentFile(id, bytes),
                          .end = kMagicBytes,
                          .expected = walk_next_,
                          .expected_at_end = walk_next_});
  env_.observer->OnSegmentStarted(was_prepared);
  active_ = std::move(file);
  active_id_ = id;
  active_bytes_ = bytes;
  active_end_ = kMagicBytes;
  barrier_ = true;
  return absl::OkStatus();
}

void SegmentLog::PublishStaged() {
  if (!staged_.empty()) published_->Publish(staged_, next_, env_.clock->Now());
}

}  // namespace walden::segment
