// What readers of one open log see of a region in memory.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "engine/common/table_cuts.h"
#include "engine/log_engine.h"
#include "engine/usage.h"
#include "tests/support/memory_engine/memory_state.h"
#include "tests/support/memory_engine/memory_store.h"

namespace walden {

// Any thread. Held by readers and cuts too, which outlive the log.
class MemoryView : public std::enable_shared_from_this<MemoryView> {
 public:
  explicit MemoryView(std::shared_ptr<MemoryRegion> region) : region_(std::move(region)) {}

  // Shows what the region has beyond what is shown already. Returns whether that is something.
  bool CatchUp() ABSL_LOCKS_EXCLUDED(mutex_);

  TablePosition Position(TableId table) const ABSL_LOCKS_EXCLUDED(mutex_);
  std::unique_ptr<LogReader> NewReader(const ReadRange& range) ABSL_LOCKS_EXCLUDED(mutex_);
  std::unique_ptr<TableCut> CutTables() ABSL_LOCKS_EXCLUDED(mutex_);
  RegionPage DescribePage(const DescribeCursor& from, size_t limit) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  SequenceNumber FirstSince(TableId table, int64_t unix_micros) const ABSL_LOCKS_EXCLUDED(mutex_);
  RegionUsage Usage(int64_t now_unix_micros) const ABSL_LOCKS_EXCLUDED(mutex_);
  RetentionPlan PlanRetention(const RetentionLimits& limits, absl::Time now) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Verify(absl::FunctionRef<bool(const VerifyProgress&)> report) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  // All that is shown; for the writer's own state.
  MemoryState State() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  friend class MemoryReader;
  friend class MemoryCut;

  using Record = MemoryChange::Record;
  struct CutState {
    TableState state;
    bool known = false;
  };

  void Apply(const std::shared_ptr<const MemoryChange>& change)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void NoteDurable() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void BeforeChange(TableId table) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Mark(const TableMark& mark) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsLive(const Record& record) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  CutState StateOf(TableId id, const MemoryState::Table& table) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // The table's first live record from `from` on, and null without one.
  const Record* FirstLive(TableId table, SequenceNumber from) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // Indexes of the table's first record at or above the number, in RecordsOf.
  size_t IndexOf(TableId table, SequenceNumber sequence) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  const std::vector<const Record*>& RecordsOf(TableId table) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  const std::shared_ptr<MemoryRegion> region_;

  mutable absl::Mutex mutex_;
  size_t shown_ ABSL_GUARDED_BY(mutex_) = 0;       // changes of the region
  MemoryChanges changes_ ABSL_GUARDED_BY(mutex_);  // hold the records
  MemoryState state_ ABSL_GUARDED_BY(mutex_);
  std::vector<const Record*> log_ ABSL_GUARDED_BY(mutex_);  // all, deleted ones too
  absl::flat_hash_map<TableId, std::vector<const Record*>> by_table_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<TableId, SequenceNumber> durable_through_ ABSL_GUARDED_BY(mutex_);
  std::vector<TableId> not_durable_ ABSL_GUARDED_BY(mutex_);  // perhaps
  TableCuts<CutState> cuts_ ABSL_GUARDED_BY(mutex_);
  uint64_t allocated_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t live_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t live_records_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t oldest_ ABSL_GUARDED_BY(mutex_) = 0;  // no record of log_ before it is live
};

}  // namespace walden
