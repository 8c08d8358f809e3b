#include "engine/segment/published_log.h"

#include <algorithm>
#include <utility>

namespace walden::segment {
namespace {

// Extents in one plan: with single records in them, about a chunk for a reader.
constexpr size_t kExtentsPerPlan = 256;

// After a coarsening the index grows by this much, or by a sixteenth of the budget if that is less,
// before the next one.
constexpr uint64_t kCoarseningStepBytes = 64 << 10;

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
  for (const TableId table : segment.index.tables()) {
    const SegmentIndex::Range range = *segment.index.LiveRange(table);
    Table& entry = Of(table);
    if (entry.first_live == 0) entry.first_live = range.first;
    entry.last_live = range.last;
  }
  for (const Damage& damage : segment.damage) {
    damaged_through_ = std::max(damaged_through_, damage.last);
  }
  const auto added = segments_.emplace(id, std::move(segment)).first;
  Charge(added->second.index, 0);
  KeepIndexInBudget();
}

void PublishedLog::Charge(const SegmentIndex& index, uint64_t before) {
  const uint64_t now = index.MemoryBytes();
  index_bytes_ += now - before;  // wraps around where it shrank
  if (index_budget_ == nullptr) return;
  if (now >= before) {
    index_budget_->Acquire(now - before);
  } else {
    index_budget_->Release(before - now);
  }
}

// The largest index is halved until all are within the budget, or none can be halved any more.
void PublishedLog::KeepIndexInBudget() {
  if (index_budget_ == nullptr || index_bytes_ < next_coarsening_at_) return;
  while (index_budget_->used() > index_budget_->limit()) {
    SegmentIndex* largest = nullptr;
    for (auto& [id, segment] : segments_) {
      if (!segment.damage.empty() || !segment.index.CanCoarsen()) continue;
      if (largest == nullptr || segment.index.MemoryBytes() > largest->MemoryBytes()) {
        largest = &segment.index;
      }
    }
    if (largest == nullptr) break;
    const uint64_t before = largest->MemoryBytes();
    largest->Coarsen();
    Charge(*largest, before);
  }
  next_coarsening_at_ = index_bytes_ + std::min(kCoarseningStepBytes, index_budget_->limit() / 16);
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
    const uint64_t index_bytes = segment.index.MemoryBytes();
    for (const Run& run : group.runs) {
      segment.index.Add(run);
      Table& table = Of(run.table);
      table.last = std::max(table.last, run.last);
      if (table.first_live == 0) table.first_live = run.first;
      table.last_live = run.last;
      if (segment.first == 0) segment.first = run.first;
      segment.last = run.last;
      segment.records += run.last - run.first + 1;
    }
    Charge(segment.index, index_bytes);
    if (!group.runs.empty()) {
      segment.append_times.Add(group.begin, group.runs.back().last, group.unix_micros);
    }
    segment.end = group.end;
    segment.expected_at_end = group.expected_at_end;
    segment.written = now;
    segment.written_unix_micros = group.unix_micros;
  }
  next_ = next;
  KeepIndexInBudget();
}

void PublishedLog::RestoreTable(TableId table, SequenceNumber last,
                                SequenceNumber deleted_through) {
  absl::MutexLock lock(&mutex_);
  Table& entry = Of(table);
  entry.last = std::max({entry.last, last, deleted_through});
  entry.deleted_through = std::max(entry.deleted_through, deleted_through);
}

void PublishedLog::SetEntryTable(TableId table) {
  absl::MutexLock lock(&mutex_);
  Of(table).kind = TableKind::kEntries;
}

void PublishedLog::SetOffset(TableId table, uint64_t offset) {
  absl::MutexLock lock(&mutex_);
  Of(table).offset = offset;
}

void PublishedLog::SetNext(SequenceNumber next) {
  absl::MutexLock lock(&mutex_);
  next_ = next;
}

void PublishedLog::SetFloor(SequenceNumber floor) {
  absl::MutexLock lock(&mutex_);
  floor_ = floor;
}

void PublishedLog::SetRegionVersion(uint64_t version) {
  absl::MutexLock lock(&mutex_);
  region_version_ = version;
}

void PublishedLog::SetOpening(OpeningReport report) {
  absl::MutexLock lock(&mutex_);
  opening_ = std::make_shared<const OpeningReport>(std::move(report));
}

void PublishedLog::RaiseMark(TableId table, SequenceNumber through, SequenceNumber first_live) {
  absl::MutexLock lock(&mutex_);
  oldest_.reset();
  ++marks_raised_;
  Table& entry = Of(table);
  entry.deleted_through = std::max(entry.deleted_through, through);
  entry.last = std::max(entry.last, through);
  if (entry.last_live <= through) entry.last_live = 0;
  entry.first_live = 0;
  for (auto& [id, segment] : segments_) {
    auto range = segment.index.LiveRange(table);
    if (!range) continue;
    if (range->first <= through) {
      const uint64_t index_bytes = segment.index.MemoryBytes();
      segment.index.RaiseFirst(table, range->last <= through ? range->last + 1 : first_live);
      Charge(segment.index, index_bytes);
      range = segment.index.LiveRange(table);
    }
    if (range && entry.first_live == 0) entry.first_live = range->first;
  }
}

bool PublishedLog::Straddles(TableId table, SequenceNumber through) const {
  absl::ReaderMutexLock lock(&mutex_);
  return std::any_of(segments_.begin(), segments_.end(), [&](const auto& entry) {
    const auto range = entry.second.index.LiveRange(table);
    return range && range->first <= through && range->last > through;
  });
}

void PublishedLog::AddLost(DamagedRange range) {
  absl::MutexLock lock(&mutex_);
  damaged_through_ = std::max(damaged_through_, range.last);
  const auto behind = std::upper_bound(
      lost_.begin(), lost_.end(), range.first,
      [](SequenceNumber first, const DamagedRange& other) { return first < other.first; });
  lost_.insert(behind, std::move(range));
}

std::vector<PublishedLog::Emptied> PublishedLog::EmptiedSegments() const {
  std::vector<Emptied> emptied;
  bool has_damage = false;
  {
    absl::ReaderMutexLock lock(&mutex_);
    for (auto it = segments_.begin(); it != segments_.end() && std::next(it) != segments_.end();
         ++it) {
      const PublishedSegment& segment = it->second;
      if (!segment.index.empty()) continue;
      Emptied found{it->first, segment.file->path(), segment.file->size(), segment.first,
                    segment.last};
      for (const Damage& damage : segment.damage) {
        found.damaged_through = std::max(found.damaged_through, damage.last);
      }
      has_damage |= found.damaged_through > 0;
      emptied.push_back(std::move(found));
    }
  }
  if (!has_damage) return emptied;
  const SequenceNumber lowest_mark = LowestMark();
  std::erase_if(emptied,
                [&](const Emptied& segment) { return segment.damaged_through > lowest_mark; });
  return emptied;
}

PublishedLog::Table& PublishedLog::Of(TableId table) {
  const auto [it, is_new] = tables_.try_emplace(table);
  if (is_new) table_ids_.insert(table);
  cuts_.BeforeChange(table, is_new ? nullptr : &it->second);
  return it->second;
}

void PublishedLog::RemoveSegments(const std::vector<Emptied>& segments) {
  absl::MutexLock lock(&mutex_);
  for (const Emptied& emptied : segments) {
    const auto gone = segments_.find(emptied.id);
    if (gone == segments_.end()) continue;
    for (const Damage& damage : gone->second.damage) {
      if (damage.last > 0) lost_.push_back(ShownDamage(*gone->second.file, damage));
    }
    const uint64_t bytes = gone->second.index.MemoryBytes();
    index_bytes_ -= bytes;
    if (index_budget_ != nullptr) index_budget_->Release(bytes);
    segments_.erase(gone);
  }
  std::stable_sort(lost_.begin(), lost_.end(),
                   [](const DamagedRange& a, const DamagedRange& b) { return a.first < b.first; });
}

SequenceNumber PublishedLog::NextOf(const Table& table) const {
  const SequenceNumber told = floor_ == 0 ? 0 : floor_ - 1;
  return table.Shown(std::max({table.last, told, damaged_through_})) + 1;
}

TablePosition PublishedLog::Position(TableId table) const {
  absl::ReaderMutexLock lock(&mutex_);
  return PositionOf(table);
}

TablePosition PublishedLog::PositionOf(TableId table) const {
  TablePosition position;
  const auto it = tables_.find(table);
  Table known;
  if (it != tables_.end()) {
    known = it->second;
    position.kind = known.kind;
  }
  position.next = NextOf(known);
  position.deleted_through = known.Shown(known.deleted_through);
  position.first = known.first_live == 0 ? position.next : known.Shown(known.first_live);
  position.last = known.Shown(known.last);
  const SequenceNumber durable_next = durable_next_.load(std::memory_order_acquire);
  position.durable_through = known.Shown(std::min(known.last, durable_next - 1));
  // Damage in front of the first live record may have held an earlier one.
  if (const auto damage = DamageFrom(known.deleted_through + 1)) {
    const SequenceNumber first = std::max(damage->first, known.deleted_through + 1);
    position.first = std::min(position.first, known.Shown(first));
    position.damaged = true;
  }
  return position;
}

PublishedLog::TableFacts PublishedLog::Facts(TableId table) const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto it = tables_.find(table);
  if (it == tables_.end()) return {.next = NextOf(Table{})};
  const Table& known = it->second;
  TableFacts facts{.last = known.last, .next = NextOf(known), .offset = known.offset};
  // A table without records has a default kind that does not count.
  if (known.last != 0 || known.kind != TableKind::kLog) facts.kind = known.kind;
  return facts;
}

SequenceNumber PublishedLog::LastAssigned(TableId table) const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto it = tables_.find(table);
  return it == tables_.end() ? 0 : it->second.last;
}

SequenceNumber PublishedLog::LastKnown(TableId table) const {
  return std::max(LastAssigned(table), DamagedThrough());
}

SequenceNumber PublishedLog::DamagedThrough() const {
  absl::ReaderMutexLock lock(&mutex_);
  return damaged_through_;
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

bool PublishedLog::Lists(uint64_t segment_id) const {
  absl::ReaderMutexLock lock(&mutex_);
  return segments_.contains(segment_id);
}

std::optional<DamagedRange> PublishedLog::DamageFrom(SequenceNumber from) const {
  if (damaged_through_ < from) return std::nullopt;
  for (const DamagedRange& range : lost_) {
    if (range.last >= from) return range;
  }
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
  if (const auto it = tables_.find(table);
      it != tables_.end() && it->second.deleted_through >= from) {
    plan.kind = ReadPlan::Kind::kGone;
    plan.gone_through = it->second.deleted_through;
    plan.first_left = PositionOf(table).first;
    return plan;
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
    plan.segment = id;
    plan.segment_first = range->first;
    plan.segment_last = range->last;
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
  plan.segment_first = next_;
  for (auto it = segments_.lower_bound(segment_id); it != segments_.end(); ++it) {
    const PublishedSegment& segment = it->second;
    plan.segment = it->first;
    plan.segment_first = segment.first;
    plan.segment_last = segment.last;
    uint64_t begin = it->first == segment_id ? offset : 0;
    begin = std::max<uint64_t>(begin, segment.file->header().first_end());
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

std::vector<PublishedLog::End> PublishedLog::Ends() const {
  absl::ReaderMutexLock lock(&mutex_);
  std::vector<End> ends;
  for (auto it = segments_.begin(); it != segments_.end(); ++it) {
    const bool newest = std::next(it) == segments_.end();
    if (newest || !it->second.index.empty()) ends.push_back({it->first, it->second.end});
  }
  return ends;
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
