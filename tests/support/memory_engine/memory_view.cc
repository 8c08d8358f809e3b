#include "tests/support/memory_engine/memory_view.h"

#include <algorithm>
#include <utility>

#include "absl/time/time.h"
#include "base/error.h"
#include "engine/log_errors.h"

namespace walden {
namespace {

// Bytes that Verify checks between two reports.
constexpr uint64_t kVerifyStepBytes = 1 << 20;

}  // namespace

// ---------------------------------------------------------------------------------------------------
// Changing

bool MemoryView::CatchUp() {
  absl::MutexLock lock(&mutex_);
  const MemoryRegion::Part part = region_->From(shown_);
  for (const auto& change : part.changes) Apply(change);
  shown_ = std::max(shown_, part.end);
  if (part.is_durable) NoteDurable();
  return !part.changes.empty();
}

void MemoryView::Apply(const std::shared_ptr<const MemoryChange>& change) {
  for (const TableMark& mark : change->marks) Mark(mark);
  for (const auto& [table, kind] : change->kinds) BeforeChange(table);
  for (const auto& [table, next] : change->next) BeforeChange(table);
  for (const Record& record : change->records) {
    BeforeChange(record.table);
    if (not_durable_.empty() || not_durable_.back() != record.table) {
      not_durable_.push_back(record.table);
    }
  }
  state_.Apply(*change);
  for (const Record& record : change->records) {
    log_.push_back(&record);
    by_table_[record.table].push_back(&record);
    allocated_bytes_ += record.payload.size();
    live_bytes_ += record.payload.size();
    ++live_records_;
  }
  changes_.push_back(change);
}

void MemoryView::Mark(const TableMark& mark) {
  BeforeChange(mark.table);
  const SequenceNumber before = state_.Of(mark.table).deleted_through;
  const std::vector<const Record*>& records = RecordsOf(mark.table);
  for (size_t i = IndexOf(mark.table, before + 1); i < records.size(); ++i) {
    if (records[i]->sequence > mark.through) break;
    live_bytes_ -= records[i]->payload.size();
    --live_records_;
  }
  MemoryChange only;
  only.marks = {mark};
  state_.Apply(only);
  not_durable_.push_back(mark.table);
  while (oldest_ < log_.size() && !IsLive(*log_[oldest_])) ++oldest_;
}

void MemoryView::NoteDurable() {
  for (const TableId table : not_durable_) durable_through_[table] = state_.Of(table).last;
  not_durable_.clear();
}

void MemoryView::BeforeChange(TableId table) {
  const auto found = state_.tables.find(table);
  if (found == state_.tables.end()) {
    cuts_.BeforeChange(table, nullptr);
    return;
  }
  const CutState state = StateOf(table, found->second);
  cuts_.BeforeChange(table, &state);
}

// ---------------------------------------------------------------------------------------------------
// Looking

bool MemoryView::IsLive(const Record& record) const {
  const auto table = state_.tables.find(record.table);
  return record.sequence > table->second.deleted_through;
}

const std::vector<const MemoryChange::Record*>& MemoryView::RecordsOf(TableId table) const {
  static const auto* const none = new std::vector<const Record*>;
  const auto found = by_table_.find(table);
  return found == by_table_.end() ? *none : found->second;
}

size_t MemoryView::IndexOf(TableId table, SequenceNumber sequence) const {
  const std::vector<const Record*>& records = RecordsOf(table);
  const auto found = std::lower_bound(
      records.begin(), records.end(), sequence,
      [](const Record* record, SequenceNumber number) { return record->sequence < number; });
  return static_cast<size_t>(found - records.begin());
}

const MemoryChange::Record* MemoryView::FirstLive(TableId table, SequenceNumber from) const {
  const SequenceNumber mark = state_.Of(table).deleted_through;
  const size_t index = IndexOf(table, std::max(from, mark + 1));
  const std::vector<const Record*>& records = RecordsOf(table);
  return index == records.size() ? nullptr : records[index];
}

MemoryView::CutState MemoryView::StateOf(TableId id, const MemoryState::Table& table) const {
  const Record* const first = FirstLive(id, 0);
  const auto durable = durable_through_.find(id);
  return {.state = {.table = id,
                    .next = table.next,
                    .deleted_through = table.deleted_through,
                    .first_live = first == nullptr ? 0 : first->sequence,
                    .last_live = first == nullptr ? 0 : RecordsOf(id).back()->sequence,
                    .kind = table.kind.value_or(TableKind::kLog),
                    .durable_through = durable == durable_through_.end() ? 0 : durable->second},
          .known = table.known()};
}

MemoryState MemoryView::State() const {
  absl::MutexLock lock(&mutex_);
  return state_;
}

TablePosition MemoryView::Position(TableId id) const {
  absl::MutexLock lock(&mutex_);
  const MemoryState::Table table = state_.Of(id);
  const Record* const first = FirstLive(id, 0);
  const auto durable = durable_through_.find(id);
  return {.first = first == nullptr ? table.next : first->sequence,
          .next = table.next,
          .deleted_through = table.deleted_through,
          .kind = table.kind,
          .last = table.last,
          .durable_through = durable == durable_through_.end() ? 0 : durable->second};
}

RegionPage MemoryView::DescribePage(const DescribeCursor& from, size_t limit) const {
  RegionPage page;
  RegionDescription& shown = page.description;
  absl::MutexLock lock(&mutex_);
  shown.opening.records_scanned = log_.size();
  shown.region_version = state_.region_version;
  shown.allocated_bytes = allocated_bytes_;
  shown.live_bytes = live_bytes_;
  if (limit == 0) page.next = from;
  if (limit == 0 || from.part != DescribeCursor::Part::kTables) return page;
  for (auto it = state_.tables.lower_bound(from.from); it != state_.tables.end(); ++it) {
    if (!it->second.known()) continue;
    if (shown.tables.size() == limit) {
      page.next = DescribeCursor{.part = DescribeCursor::Part::kTables, .from = it->first};
      return page;
    }
    shown.tables.push_back(StateOf(it->first, it->second).state);
  }
  return page;
}

SequenceNumber MemoryView::FirstSince(TableId id, int64_t unix_micros) const {
  absl::MutexLock lock(&mutex_);
  const std::vector<const Record*>& records = RecordsOf(id);
  const MemoryState::Table table = state_.Of(id);
  const auto found =
      std::partition_point(records.begin(), records.end(), [&](const Record* record) {
        return record->sequence <= table.deleted_through || record->unix_micros < unix_micros;
      });
  return found == records.end() ? table.next : (*found)->sequence;
}

RegionUsage MemoryView::Usage(int64_t now_unix_micros) const {
  absl::MutexLock lock(&mutex_);
  RegionUsage usage;
  usage.allocated_bytes = allocated_bytes_;
  usage.live_bytes = live_bytes_;
  usage.live_records = live_records_;
  for (const auto& [id, table] : state_.tables) usage.tables += table.known() ? 1 : 0;
  for (size_t i = oldest_; i < log_.size(); ++i) {
    if (!IsLive(*log_[i])) continue;
    usage.oldest = OldestRecord{
        .table = log_[i]->table,
        .sequence = log_[i]->sequence,
        .age = absl::Microseconds(std::max<int64_t>(0, now_unix_micros - log_[i]->unix_micros)),
        .appended_unix_micros = log_[i]->unix_micros};
    break;
  }
  return usage;
}

RetentionPlan MemoryView::PlanRetention(const RetentionLimits& limits, absl::Time now) const {
  absl::MutexLock lock(&mutex_);
  RetentionPlan plan;
  std::map<TableId, SequenceNumber> through;
  uint64_t bytes = 0;  // of live records from the newest one on
  uint64_t records = 0;
  for (auto it = log_.rbegin(); it != log_.rend(); ++it) {
    const Record& record = **it;
    const bool is_live = IsLive(record);
    ++records;
    if (is_live) bytes += record.payload.size();
    if (!is_live || state_.Of(record.table).kind != TableKind::kLog) continue;
    const bool is_old = limits.age > absl::ZeroDuration() &&
                        absl::FromUnixMicros(record.unix_micros) < now - limits.age;
    const bool is_due = is_old || (limits.bytes > 0 && bytes > limits.bytes) ||
                        (limits.records > 0 && records > limits.records);
    if (!is_due) continue;
    SequenceNumber& mark = through[record.table];
    mark = std::max(mark, record.sequence);
    ++plan.records;
    plan.bytes += record.payload.size();
  }
  for (const auto& [table, number] : through) plan.marks.push_back({table, number});
  return plan;
}

void MemoryView::Verify(absl::FunctionRef<bool(const VerifyProgress&)> report) const {
  const SequenceNumber damaged_at = region_->damaged_at();
  VerifyProgress progress;
  size_t end = 0;
  {
    absl::MutexLock lock(&mutex_);
    end = log_.size();
    progress.bytes_total = allocated_bytes_;
  }
  for (size_t i = 0; i < end;) {
    progress.findings.clear();
    {
      absl::MutexLock lock(&mutex_);
      for (uint64_t step = 0; i < end && step < kVerifyStepBytes; ++i) {
        const Record& record = *log_[i];
        step += record.payload.size();
        progress.bytes_checked += record.payload.size();
        ++progress.records_checked;
        if (record.sequence != damaged_at || !IsLive(record)) continue;
        progress.findings.push_back({.file = "memory",
                                     .offset = i,
                                     .length = record.payload.size(),
                                     .first = record.sequence,
                                     .last = record.sequence,
                                     .reason = "checksum"});
      }
    }
    if (!report(progress) || i == end) return;
  }
  report(progress);
}

// ---------------------------------------------------------------------------------------------------
// Reading

class MemoryReader final : public LogReader {
 public:
  MemoryReader(std::shared_ptr<MemoryView> view, const ReadRange& range)
      : view_(std::move(view)), range_(range) {
    absl::MutexLock lock(&view_->mutex_);
    if (range_.table) {
      if (range_.first == 0) range_.first = view_->state_.Of(*range_.table).deleted_through + 1;
      return;
    }
    for (const auto& [id, table] : view_->state_.tables) {
      if (table.deleted_through > 0) marks_[id] = table.deleted_through;
    }
  }

  // Records are visited without a lock: their bytes stay.
  absl::StatusOr<ReadProgress> Next(const ReadLimits& limits,
                                    absl::FunctionRef<void(const RecordView&)> visit) override {
    if (range_.table && view_->region_->IsEndless(*range_.table)) return ReadProgress::kMore;
    damaged_at_ = view_->region_->damaged_at();
    found_.clear();
    bytes_ = 0;
    const absl::StatusOr<ReadProgress> progress =
        range_.table ? LookInTable(limits) : LookInAll(limits);
    for (const Record* record : found_) visit({record->table, record->sequence, record->payload});
    return progress;
  }

  size_t too_large_bytes() const override { return too_large_bytes_; }
  SequenceNumber too_large_sequence() const override { return too_large_sequence_; }

  void EndHere() override {
    absl::MutexLock lock(&view_->mutex_);
    end_ = std::min(end_, view_->log_.size());
    if (range_.table) {
      range_.last = std::min(range_.last, view_->state_.Of(*range_.table).next - 1);
    }
  }

 private:
  using Record = MemoryChange::Record;

  absl::StatusOr<ReadProgress> LookInTable(const ReadLimits& limits) {
    absl::MutexLock lock(&view_->mutex_);
    const MemoryState::Table table = view_->state_.Of(*range_.table);
    if (range_.first > range_.last) return ReadProgress::kFinished;
    if (table.deleted_through >= range_.first) {
      if (!range_.skip_deleted) {
        const Record* const left = view_->FirstLive(*range_.table, 0);
        return RecordsGone(range_.table, left == nullptr ? table.next : left->sequence);
      }
      range_.first = table.deleted_through + 1;
      return ReadProgress::kSkipped;
    }
    const std::vector<const Record*>& records = view_->RecordsOf(*range_.table);
    for (size_t i = view_->IndexOf(*range_.table, range_.first); i < records.size(); ++i) {
      if (records[i]->sequence > range_.last) break;
      if (const auto stop = Take(*records[i], limits)) return *stop;
      range_.first = records[i]->sequence + 1;
    }
    if (range_.first > range_.last || table.next > range_.last) {
      range_.first = std::max(range_.first, range_.last + 1);
      return ReadProgress::kFinished;
    }
    return ReadProgress::kAtEnd;
  }

  absl::StatusOr<ReadProgress> LookInAll(const ReadLimits& limits) {
    absl::MutexLock lock(&view_->mutex_);
    bool has_skipped = false;
    for (; position_ < std::min(end_, view_->log_.size()); ++position_) {
      const Record& record = *view_->log_[position_];
      if (record.sequence < range_.first || record.sequence > range_.last) continue;
      const auto mark = marks_.find(record.table);
      if (mark != marks_.end() && record.sequence <= mark->second) continue;
      if (!view_->IsLive(record)) {
        if (!found_.empty()) return ReadProgress::kMore;
        if (!range_.skip_deleted) return RecordsGone(std::nullopt, FirstLeft(record.table));
        has_skipped = true;
        continue;
      }
      if (has_skipped) return ReadProgress::kSkipped;
      if (const auto stop = Take(record, limits)) return *stop;
    }
    return has_skipped ? ReadProgress::kSkipped : ReadProgress::kAtEnd;
  }

  // Why the record is not visited; null if it is.
  std::optional<absl::StatusOr<ReadProgress>> Take(const Record& record, const ReadLimits& limits) {
    if (record.sequence == damaged_at_) {
      return MakeError(absl::StatusCode::kDataLoss, ErrorReason::kCorruption, "damaged");
    }
    if (record.payload.size() > limits.max_record_bytes) {
      too_large_bytes_ = record.payload.size();
      too_large_sequence_ = record.sequence;
      return ReadProgress::kTooLarge;
    }
    if (found_.size() == limits.max_records || bytes_ >= limits.max_payload_bytes) {
      return ReadProgress::kMore;
    }
    found_.push_back(&record);
    bytes_ += record.payload.size();
    return std::nullopt;
  }

  SequenceNumber FirstLeft(TableId table) const ABSL_SHARED_LOCKS_REQUIRED(view_->mutex_) {
    const Record* const left = view_->FirstLive(table, 0);
    return left == nullptr ? view_->state_.Of(table).next : left->sequence;
  }

  const std::shared_ptr<MemoryView> view_;
  ReadRange range_;                                     // of a table: first is the next number
  absl::flat_hash_map<TableId, SequenceNumber> marks_;  // of all tables, as of the start
  size_t position_ = 0;                                 // of all tables
  size_t end_ = SIZE_MAX;
  SequenceNumber damaged_at_ = 0;
  std::vector<const Record*> found_;
  size_t bytes_ = 0;
  size_t too_large_bytes_ = 0;
  SequenceNumber too_large_sequence_ = 0;
};

std::unique_ptr<LogReader> MemoryView::NewReader(const ReadRange& range) {
  return std::make_unique<MemoryReader>(shared_from_this(), range);
}

// ---------------------------------------------------------------------------------------------------
// Cutting

class MemoryCut final : public TableCut {
 public:
  explicit MemoryCut(std::shared_ptr<MemoryView> view) : view_(std::move(view)) {
    absl::MutexLock lock(&view_->mutex_);
    view_->cuts_.Begin(&copy_);
  }
  ~MemoryCut() override {
    absl::MutexLock lock(&view_->mutex_);
    view_->cuts_.End(&copy_);
  }

  std::vector<TableState> Next(size_t limit) override {
    std::vector<TableState> states;
    absl::MutexLock lock(&view_->mutex_);
    if (copy_.is_done) return states;
    const auto& tables = view_->state_.tables;
    auto it = tables.lower_bound(copy_.from);
    for (; it != tables.end() && states.size() < limit; ++it) {
      const MemoryView::CutState now = view_->StateOf(it->first, it->second);
      const MemoryView::CutState* const then = copy_.At(it->first, now);
      if (then != nullptr && then->known) states.push_back(then->state);
    }
    copy_.MoveTo(it == tables.end() ? std::nullopt : std::optional<TableId>(it->first));
    return states;
  }

 private:
  const std::shared_ptr<MemoryView> view_;
  TableCuts<MemoryView::CutState>::Copy copy_;
};

std::unique_ptr<TableCut> MemoryView::CutTables() {
  return std::make_unique<MemoryCut>(shared_from_this());
}

}  // namespace walden
