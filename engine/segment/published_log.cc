#include "engine/segment/published_log.h"

#include <algorithm>
#include <utility>

#include "engine/segment/format.h"

namespace walden::segment {
namespace {

// How much a reader learns in one call: about a chunk's worth of single records.
constexpr size_t kExtentsPerPlan = 256;

}  // namespace

DamagedRange ShownDamage(const SegmentFile& file, const Damage& damage) {
  return {.file = file.shown_path(),
          .offset = damage.begin,
          .length = damage.end - damage.begin,
          .first = damage.first,
          .last = damage.last,
          .reason = damage.reason};
}

void PublishedLog::AddSegment(PublishedSegment segment) {
  absl::MutexLock lock(&mutex_);
  const uint64_t id = segment.file->id();
  segments_.emplace(id, std::move(segment));
}

void PublishedLog::SealNewest() {
  absl::MutexLock lock(&mutex_);
  if (!segments_.empty()) segments_.rbegin()->second.index.Seal();
}

void PublishedLog::Publish(const std::vector<Group>& groups, SequenceNumber next,
                           absl::Duration now) {
  absl::MutexLock lock(&mutex_);
  for (const Group& group : groups) {
    PublishedSegment& segment = segments_.at(group.segment);
    for (const Run& run : group.runs) {
      segment.index.Add(run);
      Table& table = tables_[run.table];
      table.last = std::max(table.last, run.last);
      if (segment.first == 0) segment.first = run.first;
      segment.last = run.last;
      segment.records += run.last - run.first + 1;
    }
    segment.end = group.end;
    segment.expected_at_end = group.expected_at_end;
    segment.written = now;
  }
  next_ = next;
}

void PublishedLog::RestoreTable(TableId table, SequenceNumber last,
                                SequenceNumber deleted_through) {
  absl::MutexLock lock(&mutex_);
  Table& entry = tables_[table];
  entry.last = std::max({entry.last, last, deleted_through});
  entry.deleted_through = std::max(entry.deleted_through, deleted_through);
}

void PublishedLog::SetEntryTable(TableId table) {
  absl::MutexLock lock(&mutex_);
  tables_[table].kind = TableKind::kEntries;
}

void PublishedLog::SetOffset(TableId table, uint64_t offset) {
  absl::MutexLock lock(&mutex_);
  tables_[table].offset = offset;
}

void PublishedLog::SetNext(SequenceNumber next) {
  absl::MutexLock lock(&mutex_);
  next_ = next;
}

void PublishedLog::SetRegionVersion(uint64_t version) {
  absl::MutexLock lock(&mutex_);
  region_version_ = version;
}

void PublishedLog::SetOpening(OpeningReport report) {
  absl::MutexLock lock(&mutex_);
  opening_ = std::move(report);
}

void PublishedLog::RaiseMark(TableId table, SequenceNumber through, SequenceNumber first_live) {
  absl::MutexLock lock(&mutex_);
  oldest_.reset();
  Table& entry = tables_[table];
  entry.deleted_through = std::max(entry.deleted_through, through);
  entry.last = std::max(entry.last, through);
  for (auto& [id, segment] : segments_) {
    const auto range = segment.index.LiveRange(table);
    if (!range || range->first > through) continue;
    segment.index.RaiseFirst(table, range->last <= through ? range->last + 1 : first_live);
  }
}

bool PublishedLog::Straddles(TableId table, SequenceNumber through) const {
  absl::ReaderMutexLock lock(&mutex_);
  return std::any_of(segments_.begin(), segments_.end(), [&](const auto& entry) {
    const auto range = entry.second.index.LiveRange(table);
    return range && range->first <= through && range->last > through;
  });
}

std::vector<PublishedLog::Emptied> PublishedLog::EmptiedSegments() const {
  absl::ReaderMutexLock lock(&mutex_);
  SequenceNumber lowest_mark = kMaxSequenceNumber;
  for (const auto& [id, table] : tables_) {
    if (table.last > table.deleted_through)
      lowest_mark = std::min(lowest_mark, table.deleted_through);
  }
  std::vector<Emptied> emptied;
  for (auto it = segments_.begin(); it != segments_.end() && std::next(it) != segments_.end();
       ++it) {
    const PublishedSegment& segment = it->second;
    const bool damage_pins =
        std::any_of(segment.damage.begin(), segment.damage.end(),
                    [&](const Damage& damage) { return damage.last > lowest_mark; });
    if (!segment.index.empty() || damage_pins) continue;
    emptied.push_back(
        {it->first, segment.file->path(), segment.file->size(), segment.first, segment.last});
  }
  return emptied;
}

void PublishedLog::RemoveSegments(const std::vector<Emptied>& segments) {
  absl::MutexLock lock(&mutex_);
  for (const Emptied& emptied : segments) segments_.erase(emptied.id);
}

std::optional<SequenceNumber> PublishedLog::FirstLive(TableId table) const {
  for (const auto& [id, segment] : segments_) {
    if (const auto range = segment.index.LiveRange(table)) return range->first;
  }
  return std::nullopt;
}

TablePosition PublishedLog::Position(TableId table) const {
  absl::ReaderMutexLock lock(&mutex_);
  TablePosition position;
  const auto it = tables_.find(table);
  if (it == tables_.end()) return position;
  const Table& known = it->second;
  position.next = known.Shown(known.last) + 1;
  position.deleted_through = known.Shown(known.deleted_through);
  position.kind = known.kind;
  const auto first_live = FirstLive(table);
  position.first = first_live ? known.Shown(*first_live) : position.next;
  return position;
}

PublishedLog::TableFacts PublishedLog::Facts(TableId table) const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto it = tables_.find(table);
  if (it == tables_.end()) return {};
  const Table& known = it->second;
  TableFacts facts{.last = known.last, .offset = known.offset};
  // A table without records is a plain log by nothing but its default.
  if (known.last != 0 || known.kind != TableKind::kLog) facts.kind = known.kind;
  return facts;
}

SequenceNumber PublishedLog::LastAssigned(TableId table) const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto it = tables_.find(table);
  return it == tables_.end() ? 0 : it->second.last;
}

SequenceNumber PublishedLog::Mark(TableId table) const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto it = tables_.find(table);
  return it == tables_.end() ? 0 : it->second.deleted_through;
}

uint64_t PublishedLog::Offset(TableId table) const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto it = tables_.find(table);
  return it == tables_.end() ? 0 : it->second.offset;
}

absl::flat_hash_map<TableId, uint64_t> PublishedLog::Offsets() const {
  absl::ReaderMutexLock lock(&mutex_);
  absl::flat_hash_map<TableId, uint64_t> offsets;
  for (const auto& [id, table] : tables_) {
    if (table.offset > 0) offsets[id] = table.offset;
  }
  return offsets;
}

absl::flat_hash_map<TableId, SequenceNumber> PublishedLog::Marks() const {
  absl::ReaderMutexLock lock(&mutex_);
  absl::flat_hash_map<TableId, SequenceNumber> marks;
  for (const auto& [id, table] : tables_) {
    if (table.deleted_through > 0) marks[id] = table.deleted_through;
  }
  return marks;
}

bool PublishedLog::Lists(uint64_t segment_id) const {
  absl::ReaderMutexLock lock(&mutex_);
  return segments_.contains(segment_id);
}

RegionDescription PublishedLog::Describe() const {
  absl::ReaderMutexLock lock(&mutex_);
  RegionDescription description;
  description.opening = opening_;
  description.region_version = region_version_;
  std::map<TableId, TableState> tables;
  for (const auto& [id, table] : tables_) {
    if (table.last == 0) continue;  // its first append failed
    tables[id] = {.table = id,
                  .next = table.Shown(table.last) + 1,
                  .deleted_through = table.Shown(table.deleted_through),
                  .kind = table.kind};
  }
  for (const auto& [id, segment] : segments_) {
    SegmentDescription shown{.id = id,
                             .file = SegmentFileName(id),
                             .allocated_bytes = segment.file->size(),
                             .used_bytes = segment.end,
                             .first = segment.first,
                             .last = segment.last};
    for (const TableId table : segment.index.Tables()) {
      const SegmentIndex::Range range = *segment.index.LiveRange(table);
      const Table& known = tables_.at(table);
      const SequenceNumber first = known.Shown(range.first);
      const SequenceNumber last = known.Shown(range.last);
      shown.tables.push_back({table, first, last});
      TableState& state = tables[table];
      if (state.first_live == 0) state.first_live = first;
      state.last_live = last;
    }
    description.allocated_bytes += segment.file->size();
    const uint64_t live_bytes = segment.index.LiveBytes();
    shown.live_bytes = std::min(segment.end, kMagicBytes + live_bytes);  // a lost file has no head
    description.live_bytes += live_bytes;
    description.segments.push_back(std::move(shown));
  }
  for (const auto& [id, state] : tables) description.tables.push_back(state);
  return description;
}

RegionUsage PublishedLog::Usage(absl::Duration now) const {
  absl::MutexLock lock(&mutex_);
  RegionUsage usage;
  usage.segments = segments_.size();
  usage.tables = tables_.size();
  for (const auto& [id, segment] : segments_) {
    usage.allocated_bytes += segment.file->size();
    usage.live_bytes += segment.index.LiveBytes();
    usage.live_records += segment.index.LiveRecords();
    usage.damaged_ranges += segment.damage.size();
  }
  usage.oldest = Oldest(now);
  return usage;
}

std::optional<OldestRecord> PublishedLog::Oldest(absl::Duration now) const {
  if (!oldest_) {
    const auto holds_live = [](const auto& entry) { return !entry.second.index.empty(); };
    const auto first = std::find_if(segments_.begin(), segments_.end(), holds_live);
    if (first == segments_.end()) return std::nullopt;
    OldestFound found{.segment = first->first, .sequence = kMaxSequenceNumber};
    for (const TableId table : first->second.index.Tables()) {
      const SequenceNumber live = first->second.index.LiveRange(table)->first;
      if (live <= found.sequence) {
        found.table = table;
        found.sequence = live;
      }
    }
    oldest_ = found;
  }
  const absl::Duration age = now - segments_.at(oldest_->segment).written;
  return OldestRecord{.table = oldest_->table,
                      .sequence = tables_.at(oldest_->table).Shown(oldest_->sequence),
                      .age = std::max(age, absl::ZeroDuration())};
}

std::optional<DamagedRange> PublishedLog::DamageFrom(SequenceNumber from) const {
  for (const auto& [id, segment] : segments_) {
    for (const Damage& damage : segment.damage) {
      if (damage.last >= from) return ShownDamage(*segment.file, damage);
    }
  }
  return std::nullopt;
}

ReadPlan PublishedLog::PlanTable(TableId table, SequenceNumber from, bool pass_damage) const {
  absl::ReaderMutexLock lock(&mutex_);
  ReadPlan plan;
  plan.next_visible = next_;
  if (const auto it = tables_.find(table); it != tables_.end()) {
    from = std::max(from, it->second.deleted_through + 1);
  }
  plan.first = from;
  plan.last = kMaxSequenceNumber;
  const auto damage = pass_damage ? std::nullopt : DamageFrom(from);
  for (const auto& [id, segment] : segments_) {
    const auto range = segment.index.LiveRange(table);
    if (!range || range->last < from) continue;
    if (damage && damage->first <= std::max(range->first, from)) break;
    plan.kind = ReadPlan::Kind::kRead;
    plan.file = segment.file;
    plan.extents = segment.index.ExtentsFrom(table, from, kExtentsPerPlan);
    if (damage) plan.last = damage->first - 1;
    return plan;
  }
  if (damage) {
    plan.kind = ReadPlan::Kind::kDamaged;
    plan.damage = damage;
  }
  return plan;
}

ReadPlan PublishedLog::PlanAll(uint64_t segment_id, uint64_t offset, SequenceNumber from,
                               bool pass_damage) const {
  absl::ReaderMutexLock lock(&mutex_);
  ReadPlan plan;
  plan.next_visible = next_;
  plan.last = kMaxSequenceNumber;
  for (auto it = segments_.lower_bound(segment_id); it != segments_.end(); ++it) {
    const PublishedSegment& segment = it->second;
    uint64_t begin = it->first == segment_id ? offset : 0;
    begin = std::max<uint64_t>(begin, kMagicBytes);
    uint64_t end = segment.end;
    for (const Damage& damage : segment.damage) {
      if (damage.end <= begin) continue;
      if (damage.begin > begin) {
        end = std::min(end, damage.begin);
        break;
      }
      if (!pass_damage && damage.last >= from) {
        plan.kind = ReadPlan::Kind::kDamaged;
        plan.damage = ShownDamage(*segment.file, damage);
        return plan;
      }
      begin = damage.end;
    }
    if (begin >= end) continue;
    plan.kind = ReadPlan::Kind::kRead;
    plan.file = segment.file;
    plan.extents = {{0, static_cast<uint32_t>(begin), static_cast<uint32_t>(end)}};
    return plan;
  }
  return plan;
}

std::vector<PublishedLog::SegmentExtent> PublishedLog::Segments() const {
  absl::ReaderMutexLock lock(&mutex_);
  std::vector<SegmentExtent> extents;
  for (const auto& [id, segment] : segments_) {
    extents.push_back(
        {segment.file, segment.end, segment.expected, segment.expected_at_end, segment.damage});
  }
  return extents;
}

}  // namespace walden::segment
