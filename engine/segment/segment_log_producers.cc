// Producers that the log remembers. Their ids are in the metadata. Their batches are in control
// records of the log and, once the segments are removed, in the metadata.
#include <algorithm>
#include <utility>

#include "engine/segment/segment_log.h"

namespace walden::segment {
namespace {

void AddPart(const MetadataState::ProducerPart& part, std::vector<ProducerBatch>& batches) {
  if (batches.empty() || batches.back().id != part.id || batches.back().sequence != part.sequence) {
    batches.push_back({.id = part.id, .sequence = part.sequence, .tables = {}});
  }
  ProducerBatch& batch = batches.back();
  batch.order = std::max(batch.order, part.numbers.last);
  const bool is_known = batch.Find(part.numbers.table) != nullptr;
  if (part.numbers.records() > 0 && !is_known) batch.tables.push_back(part.numbers);
}

// Joins the parts of each batch. Batches are ordered by id and sequence.
std::vector<ProducerBatch> BatchesOf(std::vector<MetadataState::ProducerPart>& parts) {
  std::stable_sort(parts.begin(), parts.end(), [](const auto& a, const auto& b) {
    return std::pair(a.id, a.sequence) < std::pair(b.id, b.sequence);
  });
  std::vector<ProducerBatch> batches;
  for (const MetadataState::ProducerPart& part : parts) AddPart(part, batches);
  return batches;
}

}  // namespace

void SegmentLog::OpenProducer(std::optional<uint64_t> region_version, DoneWith<uint64_t> done) {
  operations_.Add<absl::StatusOr<uint64_t>>(
      [this, region_version] { return OpenProducerNow(region_version); }, std::move(done));
}

absl::StatusOr<uint64_t> SegmentLog::OpenProducerNow(std::optional<uint64_t> region_version) {
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
  producers_.Add(RememberedBatch(batch, /*order=*/batch.tables.back().last));
}

// Stores a number that a producer passed over. It has no record, so it goes to the metadata.
absl::Status SegmentLog::PassOver(const AppendBatch& batch) {
  // The entry is durable at once, so everything before it must be durable first.
  absl::Status status = WriteStaged();
  if (status.ok()) status = SyncActive();
  if (!status.ok()) return status;
  const ProducerRange numbers{.first = next_, .last = next_ - 1};
  status = AppendMetadata(
      {MetadataEntry::ProducerPart(batch.producer->id, batch.producer->sequence, numbers)});
  if (status.ok()) producers_.Add(RememberedBatch(batch, /*order=*/numbers.last));
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
    for (const ProducerRange& numbers : batch.tables) {
      entries.push_back(MetadataEntry::ProducerPart(batch.id, batch.sequence, numbers));
    }
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
  // The parts of batches that the metadata holds and those that the log holds, in order of producer
  // sequence. The metadata may lack parts of a batch that the log still holds.
  std::vector<MetadataState::ProducerPart> parts = state.producers;
  for (const ScannedSegment& segment : region.segments) {
    // The daemon did not issue the ids that version 1 took.
    if (segment.header.version_1()) continue;
    for (const ScannedProducer& p : segment.scan.producers) {
      for (const ProducerRange& numbers : p.tables) parts.push_back({p.id, p.sequence, numbers});
    }
  }
  // A batch from before its id was issued has an id that a client chose, in an older version.
  std::erase_if(parts, [&](const MetadataState::ProducerPart& part) {
    const auto issued = state.producers_issued.find(part.id);
    return issued == state.producers_issued.end() || part.numbers.first < issued->second;
  });
  for (const ProducerBatch& batch : BatchesOf(parts)) producers_.Add(batch);
}

}  // namespace walden::segment
