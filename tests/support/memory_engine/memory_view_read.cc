// Readers and cuts of a view.
#include <algorithm>
#include <utility>

#include "base/error.h"
#include "engine/log_errors.h"
#include "tests/support/memory_engine/memory_view.h"

namespace walden {

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
