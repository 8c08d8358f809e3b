// The functions of a published log that walk many tables. They walk in slices, and release the
// mutex between two slices.
#include <algorithm>
#include <utility>

#include "engine/segment/published_log.h"

namespace walden::segment {
namespace {

// Items that are copied or visited in one slice, which takes some ten microseconds.
constexpr size_t kSlice = 512;

using Part = DescribeCursor::Part;

}  // namespace

void PublishedLog::ForEachTable(absl::FunctionRef<void(TableId, const Table&)> visit) const {
  for (TableId from = 0;;) {
    absl::ReaderMutexLock lock(&mutex_);
    auto it = table_ids_.lower_bound(from);
    for (size_t n = 0; n < kSlice && it != table_ids_.end(); ++n, ++it) {
      visit(*it, tables_.at(*it));
    }
    if (it == table_ids_.end()) return;
    from = *it;
  }
}

void PublishedLog::ForEachTableOf(
    uint64_t segment_id,
    absl::FunctionRef<void(TableId, const Table&, const SegmentIndex&)> visit) const {
  for (TableId from = 0;;) {
    absl::ReaderMutexLock lock(&mutex_);
    const auto segment = segments_.find(segment_id);
    if (segment == segments_.end()) return;
    const SegmentIndex& index = segment->second.index;
    auto it = index.tables().lower_bound(from);
    for (size_t n = 0; n < kSlice && it != index.tables().end(); ++n, ++it) {
      visit(*it, tables_.at(*it), index);
    }
    if (it == index.tables().end()) return;
    from = *it;
  }
}

SequenceNumber PublishedLog::LowestMark() const {
  std::optional<SequenceNumber> lowest;
  ForEachTable([&](TableId, const Table& table) {
    if (!table.known()) return;
    lowest = std::min(lowest.value_or(kMaxSequenceNumber), table.deleted_through);
  });
  return lowest.value_or(0);
}

absl::flat_hash_map<TableId, uint64_t> PublishedLog::Offsets() const {
  absl::flat_hash_map<TableId, uint64_t> offsets;
  ForEachTable([&](TableId id, const Table& table) {
    if (table.offset > 0) offsets[id] = table.offset;
  });
  return offsets;
}

absl::flat_hash_map<TableId, SequenceNumber> PublishedLog::Marks() const {
  absl::flat_hash_map<TableId, SequenceNumber> marks;
  ForEachTable([&](TableId id, const Table& table) {
    if (table.deleted_through > 0) marks[id] = table.deleted_through;
  });
  return marks;
}

std::optional<DescribeCursor> PublishedLog::DescribeTables(TableId from, size_t& left,
                                                           RegionDescription& description) const {
  for (auto it = table_ids_.lower_bound(from); it != table_ids_.end(); ++it, --left) {
    if (left == 0) return DescribeCursor{Part::kTables, *it, 0};
    const auto state = StateOf(*it, tables_.at(*it));
    if (state) description.tables.push_back(*state);
  }
  return std::nullopt;
}

std::optional<TableState> PublishedLog::StateOf(TableId id, const Table& table) const {
  if (table.last == 0 && damaged_through_ == 0) return std::nullopt;
  const SequenceNumber durable_next = durable_next_.load(std::memory_order_acquire);
  return TableState{.table = id,
                    .next = NextOf(table),
                    .deleted_through = table.Shown(table.deleted_through),
                    .first_live = table.Shown(table.first_live),
                    .last_live = table.Shown(table.last_live),
                    .kind = table.kind,
                    .durable_through = table.Shown(std::min(table.last, durable_next - 1))};
}

class PublishedLog::Cut final : public TableCut {
 public:
  explicit Cut(std::shared_ptr<const PublishedLog> log) : log_(std::move(log)) {
    absl::MutexLock lock(&log_->mutex_);
    log_->cuts_.Begin(&copy_);
  }
  ~Cut() override {
    absl::MutexLock lock(&log_->mutex_);
    log_->cuts_.End(&copy_);
  }

  std::vector<TableState> Next(size_t limit) override {
    std::vector<TableState> states;
    while (states.size() < limit && AddSlice(limit, states)) {
    }
    return states;
  }

 private:
  // Returns false if no table was left.
  bool AddSlice(size_t limit, std::vector<TableState>& states) {
    absl::MutexLock lock(&log_->mutex_);
    if (copy_.is_done) return false;
    auto it = log_->table_ids_.lower_bound(copy_.from);
    for (size_t n = 0; n < kSlice && states.size() < limit && it != log_->table_ids_.end();
         ++n, ++it) {
      const Table* const table = copy_.At(*it, log_->tables_.at(*it));
      const auto state = table == nullptr ? std::nullopt : log_->StateOf(*it, *table);
      if (state) states.push_back(*state);
    }
    copy_.MoveTo(it == log_->table_ids_.end() ? std::nullopt : std::optional<TableId>(*it));
    return true;
  }

  const std::shared_ptr<const PublishedLog> log_;
  TableCuts<Table>::Copy copy_;  // guarded by the log's mutex
};

std::unique_ptr<TableCut> PublishedLog::NewCut(std::shared_ptr<const PublishedLog> log) {
  return std::make_unique<Cut>(std::move(log));
}

std::optional<DescribeCursor> PublishedLog::DescribeSegments(const DescribeCursor& from,
                                                             size_t& left,
                                                             RegionDescription& description) const {
  for (auto it = segments_.lower_bound(from.from); it != segments_.end(); ++it) {
    const auto& [id, segment] = *it;
    const TableId first_table = id == from.from ? from.table : 0;
    if (left == 0) return DescribeCursor{Part::kSegments, id, first_table};
    SegmentDescription shown{.id = id,
                             .file = segment.file->shown_path(),
                             .allocated_bytes = segment.file->size(),
                             .used_bytes = segment.end,
                             .first = segment.first,
                             .last = segment.last};
    // A lost file has no head.
    shown.live_bytes =
        std::min(segment.end, segment.file->header().first_end() + segment.index.LiveBytes());
    const auto& tables = segment.index.tables();
    auto table = tables.lower_bound(first_table);
    for (; table != tables.end() && left > 0; ++table, --left) {
      const SegmentIndex::Range range = *segment.index.LiveRange(*table);
      const Table& known = tables_.at(*table);
      shown.tables.push_back({*table, known.Shown(range.first), known.Shown(range.last)});
    }
    if (shown.tables.empty() && left > 0) --left;
    description.segments.push_back(std::move(shown));
    if (table != tables.end()) return DescribeCursor{Part::kSegments, id, *table};
  }
  return std::nullopt;
}

RegionPage PublishedLog::DescribeSlice(const DescribeCursor& from, size_t& left) const {
  RegionPage page{.next = from};
  RegionDescription& description = page.description;
  std::shared_ptr<const OpeningReport> opening;
  {
    absl::ReaderMutexLock lock(&mutex_);
    opening = opening_;
    description.region_version = region_version_;
    for (const auto& [id, segment] : segments_) {
      description.allocated_bytes += segment.file->size();
      description.live_bytes += segment.index.LiveBytes();
    }
    if (left > 0 && from.part == Part::kTables) {
      page.next = DescribeTables(from.from, left, description);
      if (!page.next) page.next = DescribeCursor{Part::kDamage, 0, 0};
    } else if (left > 0 && from.part == Part::kSegments) {
      page.next = DescribeSegments(from, left, description);
    }
  }
  OpeningReport& shown = description.opening;
  shown.outcome = opening->outcome;
  shown.torn_tail_bytes = opening->torn_tail_bytes;
  shown.evidence_file = opening->evidence_file;
  shown.records_scanned = opening->records_scanned;
  shown.bytes_scanned = opening->bytes_scanned;
  shown.duration_micros = opening->duration_micros;
  if (left == 0 || from.part != Part::kDamage) return page;
  uint64_t at = from.from;
  for (; at < opening->damaged.size() && left > 0; ++at, --left) {
    shown.damaged.push_back(opening->damaged[at]);
  }
  page.next = at < opening->damaged.size() ? DescribeCursor{Part::kDamage, at, 0}
                                           : DescribeCursor{Part::kSegments, 0, 0};
  return page;
}

RegionPage PublishedLog::DescribePage(const DescribeCursor& from, size_t limit) const {
  RegionPage whole{.next = from};
  do {
    size_t left = std::min(limit, kSlice);
    const size_t asked = left;
    RegionPage slice = DescribeSlice(*whole.next, left);
    limit -= asked - left;
    whole.next = slice.next;
    AddPage(std::move(slice), whole.description);
  } while (limit > 0 && whole.next);
  return whole;
}

RegionUsage PublishedLog::Usage(absl::Duration now) const {
  RegionUsage usage;
  {
    absl::ReaderMutexLock lock(&mutex_);
    usage.segments = segments_.size();
    usage.tables = tables_.size();
    usage.index_bytes = index_bytes_;
    for (const auto& [id, segment] : segments_) {
      usage.allocated_bytes += segment.file->size();
      usage.live_bytes += segment.index.LiveBytes();
      usage.live_records += segment.index.LiveRecords();
      usage.damaged_ranges += segment.damage.size();
    }
  }
  usage.oldest = Oldest(now);
  return usage;
}

std::optional<OldestRecord> PublishedLog::Oldest(absl::Duration now) const {
  std::optional<OldestFound> found;
  absl::Duration written;
  uint64_t marks = 0;
  {
    absl::ReaderMutexLock lock(&mutex_);
    const auto holds_live = [](const auto& entry) { return !entry.second.index.empty(); };
    const auto first = std::find_if(segments_.begin(), segments_.end(), holds_live);
    if (first == segments_.end()) return std::nullopt;
    marks = marks_raised_;
    written = first->second.written;
    found = oldest_;
    if (!found) found = OldestFound{.segment = first->first, .sequence = kMaxSequenceNumber};
  }
  if (found->sequence == kMaxSequenceNumber) {
    ForEachTableOf(found->segment, [&](TableId id, const Table& table, const SegmentIndex& index) {
      const SequenceNumber live = index.LiveRange(id)->first;
      if (live > found->sequence) return;
      found->table = id;
      found->sequence = live;
      found->shown = table.Shown(live);
    });
    if (found->sequence == kMaxSequenceNumber) return std::nullopt;  // it went meanwhile
    absl::MutexLock lock(&mutex_);
    if (marks == marks_raised_) oldest_ = found;
  }
  return OldestRecord{.table = found->table,
                      .sequence = found->shown,
                      .age = std::max(now - written, absl::ZeroDuration()),
                      .appended_unix_micros = AppendedBy(found->segment, found->sequence)};
}

std::optional<int64_t> PublishedLog::AppendedBy(uint64_t segment_id,
                                                SequenceNumber sequence) const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto found = segments_.find(segment_id);
  if (found == segments_.end()) return std::nullopt;
  const PublishedSegment& segment = found->second;
  return segment.append_times.AppendedBy(sequence).value_or(segment.written_unix_micros);
}

}  // namespace walden::segment
