// Producers that the log remembers. Their ids are in the metadata. Their batches are in control
// records of the log and, once the segments are removed, in the metadata.
#include <algorithm>
#include <utility>

#include "engine/segment/segment_log.h"

namespace walden::segment {

absl::StatusOr<uint64_t> SegmentLog::OpenProducer(std::optional<uint64_t> region_version) {
  absl::Status status = Health();
  if (status.ok()) status = Fence(region_version);
  if (!status.ok()) return status;
  const uint64_t id = producers_.NextId(env_.wall_clock->UnixMicros());
  const std::optional<uint64_t> forgotten = producers_.NextToForget();
  std::vector<MetadataEntry> entries;
  if (forgotten) entries.push_back(MetadataEntry::ProducersForgotten(*forgotten, *forgotten));
  entries.push_back(MetadataEntry::ProducerIssued(id, next_));
  status = AppendMetadata(entries);
  if (!status.ok()) return status;
  if (forgotten) producers_.Forget(*forgotten);
  producers_.Issue(id, next_ - 1);
  return id;
}

void SegmentLog::Remember(const AppendBatch& batch) {
  if (!batch.producer) return;
  const TableAppend& append = batch.tables[0];
  producers_.Add({batch.producer->id, append.table, batch.producer->sequence, append.first,
                  append.last, append.last});
}

// Stores a number that a producer passed over. It has no record, so it goes to the metadata.
absl::Status SegmentLog::PassOver(const AppendBatch& batch) {
  // The entry is durable at once, so everything before it must be durable first.
  absl::Status status = WriteStaged();
  if (status.ok()) status = SyncActive();
  if (!status.ok()) return status;
  const ProducerBatch passed{.id = batch.producer->id,
                             .sequence = batch.producer->sequence,
                             .first = next_,
                             .last = next_ - 1,
                             .order = next_ - 1};
  status = AppendMetadata({MetadataEntry::ProducerBatch(passed)});
  if (status.ok()) producers_.Add(passed);
  return status;
}

std::vector<MetadataEntry> SegmentLog::ProducersIn(
    absl::Span<const PublishedLog::Emptied> segments) const {
  std::vector<ProducerTable::Range> ranges;
  for (const PublishedLog::Emptied& segment : segments) {
    if (segment.first != 0) ranges.emplace_back(segment.first, segment.last);
  }
  std::sort(ranges.begin(), ranges.end());
  std::vector<MetadataEntry> entries;
  for (const ProducerBatch& batch : producers_.InRanges(ranges)) {
    entries.push_back(MetadataEntry::ProducerBatch(batch));
  }
  return entries;
}

void SegmentLog::ForgetProducersBefore(SequenceNumber lost_through,
                                       std::vector<MetadataEntry>& entries) const {
  uint64_t last = 0;
  for (const auto& [id, next] : metadata_->state().producers_issued) {
    if (next <= lost_through) last = std::max(last, id);
  }
  if (last != 0) entries.push_back(MetadataEntry::ProducersForgotten(1, last));
}

void SegmentLog::RestoreProducers(const RegionScan& region) {
  const MetadataState& state = metadata_->state();
  producers_.RaiseIssuedThrough(state.producers_issued_through);
  for (const auto& [id, next] : state.producers_issued) producers_.Issue(id, next - 1);
  // Batches of the metadata and of the log, which are added in order of producer sequence.
  std::vector<ProducerBatch> batches = state.producers;
  for (const ScannedSegment& segment : region.segments) {
    // The daemon did not issue the ids that version 1 took.
    if (segment.header.version_1()) continue;
    for (const ScannedProducer& p : segment.scan.producers) {
      batches.push_back({p.id, p.table, p.sequence, p.first, p.last, p.last});
    }
  }
  // A batch from before its id was issued has an id that a client chose, in an older version.
  std::erase_if(batches, [&](const ProducerBatch& batch) {
    const auto issued = state.producers_issued.find(batch.id);
    return issued == state.producers_issued.end() || batch.first < issued->second;
  });
  std::sort(batches.begin(), batches.end(), [](const auto& a, const auto& b) {
    return std::pair(a.id, a.sequence) < std::pair(b.id, b.sequence);
  });
  for (const ProducerBatch& batch : batches) producers_.Add(batch);
}

}  // namespace walden::segment
