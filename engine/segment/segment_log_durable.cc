// Notes in the metadata how far the log is durable: watermarks while the log is written, the clean
// end when it is closed.
#include <algorithm>

#include "engine/segment/format.h"
#include "engine/segment/segment_log.h"

namespace walden::segment {

uint64_t SegmentLog::usable_bytes() const {
  return active_header_.bytes / active_header_.alignment * active_header_.alignment;
}

absl::Status SegmentLog::AppendWatermark(uint64_t reach) {
  const absl::Status status = AppendMetadata(
      {MetadataEntry::Noted({active_header_.segment, durable_end_, durable_next_, reach})});
  if (!status.ok()) return status;
  noted_end_ = durable_end_.load();
  reach_ = reach;
  return absl::OkStatus();
}

absl::Status SegmentLog::ExtendReach(uint64_t end) {
  if (end <= reach_) return absl::OkStatus();
  absl::Status status = SyncActive();
  if (!status.ok()) return status;
  reach_step_ = std::min(2 * reach_step_, kMaxReachBytes);
  return AppendWatermark(std::max(durable_end_ + reach_step_, end));
}

void SegmentLog::NoteDurable(Done done) {
  operations_.Add<absl::Status>([this] { return NoteDurableNow(); }, std::move(done));
}

absl::Status SegmentLog::NoteDurableNow() {
  absl::Status status = Health();
  if (!status.ok() || active_ == nullptr || !HasUnnoted()) return status;
  // A log that is seldom written keeps a short reach, so that opening has little to scan.
  reach_step_ = kMinReachBytes;
  return AppendWatermark(durable_end_ + reach_step_);
}

// Notes before the first append after a clean end that the clean end no longer holds.
absl::Status SegmentLog::NoteWriting() {
  const absl::Status status = AppendMetadata(
      {MetadataEntry::Opened(),
       MetadataEntry::Noted({active_header_.segment, durable_end_, walk_next_, reach_})});
  if (status.ok()) noted_end_ = durable_end_.load();
  return status;
}

void SegmentLog::Sync(Done done) {
  operations_.Add<absl::Status>(
      [this] {
        const absl::Status status = Health();
        return status.ok() ? SyncActive() : status;
      },
      std::move(done));
}

void SegmentLog::Close(Done done) {
  operations_.Add<absl::Status>([this] { return CloseNow(); }, std::move(done));
}

absl::Status SegmentLog::CloseNow() {
  if (!Health().ok()) {
    active_.reset();
    metadata_.reset();
    return absl::OkStatus();
  }
  absl::Status status = SyncActive();
  if (status.ok() && active_ != nullptr) status = NoteCleanEnd();
  // Without room for the clean end the log is as after a crash, and all of it is durable.
  if (absl::IsResourceExhausted(status)) status = absl::OkStatus();
  if (active_ != nullptr) status.Update(active_->Close());
  if (metadata_ != nullptr) status.Update(metadata_->Close());
  active_.reset();
  metadata_.reset();
  return status;
}

// Notes the clean end. The metadata then holds the log's end, and the log's last group holds the
// number of the metadata's newest write, so an older copy of either file is found by the other.
absl::Status SegmentLog::NoteCleanEnd() {
  const MetadataState& state = metadata_->state();
  // The clean end was one write after the one that the last group names.
  const uint64_t told = group_metadata_append_ + 1;
  if (state.closed && metadata_->last_append() <= told) return absl::OkStatus();
  absl::Status status;
  if (state.closed) status = NoteWriting();
  // No number beyond next_ was given out, so none needs to be jumped.
  if (status.ok() && state.reserved_through >= next_) {
    status = AppendMetadata({MetadataEntry::SequenceReserved(next_ - 1)});
  }
  // Opening may have lacked the room to note the floor.
  if (status.ok() && floor_ > state.number_floor) {
    status = AppendMetadata({MetadataEntry::NumberFloor(floor_)});
  }
  const bool has_room = group_begin() + kGroupHeadBytes <= usable_bytes();
  if (status.ok() && has_room && metadata_->last_append() > group_metadata_append_) {
    writer_.Reserve(kGroupHeadBytes);
    writer_.BeginGroup();
    status = WriteGroup(walk_next_);
    if (status.ok()) status = SyncActive();
  }
  if (!status.ok()) return status;
  return AppendMetadata({MetadataEntry::Closed(active_header_.segment, active_end_, walk_next_)});
}

}  // namespace walden::segment
