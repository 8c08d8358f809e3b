#include "engine/segment/metadata_state.h"

#include <algorithm>
#include <map>
#include <set>

#include "engine/log_engine.h"

namespace walden::segment {

std::optional<size_t> FieldCount(EntryType type) {
  switch (type) {
    case EntryType::kSegmentCreated:
      return 6;
    case EntryType::kSegmentDeleted:
      return 1;
    case EntryType::kTableMark:
      return 2;
    case EntryType::kRegionVersion:
      return 1;
    case EntryType::kSequenceReserved:
      return 1;
    case EntryType::kProducerBatch:
      return 5;
    case EntryType::kQuarantined:
      return 5;
    case EntryType::kClosed:
    case EntryType::kSegmentSealed:
      return 3;
    case EntryType::kWatermark:
      return 4;
    case EntryType::kNumberFloor:
    case EntryType::kUpgraded:
      return 1;
    case EntryType::kOpened:
      return 0;
    case EntryType::kTableKind:
    case EntryType::kTableOffset:
    case EntryType::kProducerIssued:
    case EntryType::kProducersForgotten:
      return 2;
  }
  return std::nullopt;
}

MetadataEntry MetadataEntry::SegmentCreated(SequenceNumber expected, const SegmentHeader& header,
                                            uint64_t previous_end) {
  return {EntryType::kSegmentCreated,
          {header.segment, expected, header.bytes, header.alignment, header.salt, previous_end}};
}
MetadataEntry MetadataEntry::SegmentSealed(uint64_t id, uint64_t end, SequenceNumber next) {
  return {EntryType::kSegmentSealed, {id, end, next}};
}
MetadataEntry MetadataEntry::SegmentDeleted(uint64_t id) {
  return {EntryType::kSegmentDeleted, {id}};
}
MetadataEntry MetadataEntry::TableMark(TableId table, SequenceNumber through) {
  return {EntryType::kTableMark, {table, through}};
}
MetadataEntry MetadataEntry::RegionVersion(uint64_t version) {
  return {EntryType::kRegionVersion, {version}};
}
MetadataEntry MetadataEntry::SequenceReserved(SequenceNumber through) {
  return {EntryType::kSequenceReserved, {through}};
}
MetadataEntry MetadataEntry::NumberFloor(SequenceNumber floor) {
  return {EntryType::kNumberFloor, {floor}};
}
MetadataEntry MetadataEntry::Noted(const Watermark& watermark) {
  return {EntryType::kWatermark,
          {watermark.segment, watermark.end, watermark.next, watermark.reach}};
}
MetadataEntry MetadataEntry::Closed(uint64_t segment, uint64_t offset, SequenceNumber next) {
  return {EntryType::kClosed, {segment, offset, next}};
}
MetadataEntry MetadataEntry::Opened() { return {EntryType::kOpened, {}}; }
MetadataEntry MetadataEntry::EntryTable(TableId table) {
  return {EntryType::kTableKind, {table, kEntryTable}};
}

MetadataEntry MetadataEntry::TableOffset(TableId table, uint64_t offset) {
  return {EntryType::kTableOffset, {table, offset}};
}

MetadataEntry MetadataEntry::ProducerPart(uint64_t id, uint64_t sequence,
                                          const ProducerRange& numbers) {
  return {EntryType::kProducerBatch, {id, numbers.table, sequence, numbers.first, numbers.last}};
}

MetadataEntry MetadataEntry::ProducerIssued(uint64_t id, SequenceNumber next) {
  return {EntryType::kProducerIssued, {id, next}};
}

MetadataEntry MetadataEntry::ProducersForgotten(uint64_t first, uint64_t last) {
  return {EntryType::kProducersForgotten, {first, last}};
}

void MetadataState::DropPastBatches() {
  using Tables = std::set<TableId>;
  std::map<uint64_t, std::map<uint64_t, Tables>> sent;  // by producer and sequence
  for (const ProducerPart& part : producers) {
    if (!producers_issued.contains(part.id)) continue;
    Tables& of_batch = sent[part.id][part.sequence];
    if (part.numbers.records() > 0) of_batch.insert(part.numbers.table);
  }
  // The log may hold newer batches, and more parts of these: the window begins here or later.
  std::map<uint64_t, uint64_t> first;  // sequence of each producer's window
  for (const auto& [id, batches] : sent) {
    size_t sequences = 0;
    size_t tables = 0;
    for (auto batch = batches.rbegin(); batch != batches.rend(); ++batch) {
      tables += batch->second.size();
      if (++sequences > kProducerWindowBatches || tables > kProducerWindowTables) break;
      first[id] = batch->first;
    }
  }
  std::erase_if(producers, [&](const ProducerPart& part) {
    const auto window = first.find(part.id);
    return window == first.end() || part.sequence < window->second;
  });
}

void MetadataState::Seal(uint64_t id, uint64_t end, SequenceNumber next) {
  closed.reset();
  const auto sealed = segments.find(id);
  if (sealed == segments.end()) return;
  sealed->second.sealed_end = end;
  sealed->second.expected_behind = next;
}

void MetadataState::Apply(const MetadataEntry& entry) {
  const std::vector<uint64_t>& f = entry.fields;
  switch (entry.type) {
    case EntryType::kSegmentCreated:
      segments[f[0]] = {
          .expected = f[1], .bytes = f[2], .alignment = static_cast<uint32_t>(f[3]), .salt = f[4]};
      watermark.reset();
      if (f[5] != 0 && f[0] > 0) Seal(f[0] - 1, f[5], f[1]);
      next_segment_id = std::max(next_segment_id, f[0] + 1);
      break;
    case EntryType::kSegmentSealed:
      Seal(f[0], f[1], f[2]);
      break;
    case EntryType::kSegmentDeleted:
      segments.erase(f[0]);
      next_segment_id = std::max(next_segment_id, f[0] + 1);
      // A range that may have held records is kept: tables that are not marked deleted through it
      // may have lost some of them.
      std::erase_if(quarantines,
                    [&](const Quarantine& q) { return q.segment == f[0] && q.last == 0; });
      break;
    case EntryType::kTableMark:
      marks[f[0]] = f[1];
      break;
    case EntryType::kRegionVersion:
      region_version = f[0];
      break;
    case EntryType::kSequenceReserved:
      reserved_through = f[0];
      break;
    case EntryType::kProducerBatch:
      producers.push_back({f[0], f[2], {f[1], f[3], f[4]}});
      break;
    case EntryType::kQuarantined:
      quarantines.push_back({f[0], f[1], f[2], f[3], f[4]});
      break;
    case EntryType::kClosed:
      closed = CleanEnd{f[0], f[1], f[2]};
      break;
    case EntryType::kOpened:
      closed.reset();
      break;
    case EntryType::kWatermark:
      watermark = Watermark{f[0], f[1], f[2], f[3]};
      break;
    case EntryType::kNumberFloor:
      number_floor = f[0];
      break;
    case EntryType::kUpgraded:
      upgraded_millis = static_cast<int64_t>(f[0]);
      break;
    case EntryType::kTableKind:
      entry_tables.insert(f[0]);
      break;
    case EntryType::kTableOffset:
      offsets[f[0]] = f[1];
      break;
    case EntryType::kProducerIssued:
      producers_issued[f[0]] = f[1];
      producers_issued_through = std::max(producers_issued_through, f[0]);
      break;
    case EntryType::kProducersForgotten:
      producers_issued.erase(producers_issued.lower_bound(f[0]),
                             producers_issued.upper_bound(f[1]));
      producers_issued_through = std::max(producers_issued_through, f[1]);
      break;
  }
}

std::vector<MetadataEntry> MetadataState::AsEntries() const {
  std::vector<MetadataEntry> entries;
  if (next_segment_id > 0 && !segments.contains(next_segment_id - 1)) {
    entries.push_back(MetadataEntry::SegmentDeleted(next_segment_id - 1));
  }
  for (const auto& [id, segment] : segments) {
    entries.push_back(
        MetadataEntry::SegmentCreated(segment.expected, {.alignment = segment.alignment,
                                                         .salt = segment.salt,
                                                         .segment = id,
                                                         .bytes = segment.bytes}));
    if (segment.expected_behind != 0) {
      entries.push_back(
          MetadataEntry::SegmentSealed(id, segment.sealed_end, segment.expected_behind));
    }
  }
  std::map<TableId, SequenceNumber> sorted_marks(marks.begin(), marks.end());
  for (const auto& [table, through] : sorted_marks) {
    entries.push_back(MetadataEntry::TableMark(table, through));
  }
  const std::set<TableId> sorted_tables(entry_tables.begin(), entry_tables.end());
  for (const TableId table : sorted_tables) entries.push_back(MetadataEntry::EntryTable(table));
  const std::map<TableId, uint64_t> sorted_offsets(offsets.begin(), offsets.end());
  for (const auto& [table, offset] : sorted_offsets) {
    entries.push_back(MetadataEntry::TableOffset(table, offset));
  }
  if (region_version != 0) entries.push_back(MetadataEntry::RegionVersion(region_version));
  if (reserved_through != 0) entries.push_back(MetadataEntry::SequenceReserved(reserved_through));
  if (number_floor != 0) entries.push_back(MetadataEntry::NumberFloor(number_floor));
  if (upgraded_millis) {
    entries.push_back({EntryType::kUpgraded, {static_cast<uint64_t>(*upgraded_millis)}});
  }
  if (producers_issued_through != 0) {
    entries.push_back(MetadataEntry::ProducersForgotten(1, producers_issued_through));
  }
  for (const auto& [id, next] : producers_issued) {
    entries.push_back(MetadataEntry::ProducerIssued(id, next));
  }
  for (const ProducerPart& part : producers) {
    if (producers_issued.contains(part.id)) {
      entries.push_back(MetadataEntry::ProducerPart(part.id, part.sequence, part.numbers));
    }
  }
  for (const Quarantine& q : quarantines) {
    entries.push_back({EntryType::kQuarantined, {q.segment, q.begin, q.end, q.first, q.last}});
  }
  if (watermark) entries.push_back(MetadataEntry::Noted(*watermark));
  if (closed) {
    entries.push_back(MetadataEntry::Closed(closed->segment, closed->offset, closed->next));
  }
  return entries;
}

}  // namespace walden::segment
