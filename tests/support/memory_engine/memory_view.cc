#include "tests/support/memory_engine/memory_view.h"

#include <algorithm>
#include <utility>

#include "absl/time/time.h"

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

}  // namespace walden
