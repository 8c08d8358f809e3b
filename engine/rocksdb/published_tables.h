// The tables of a region as readers see them: one PublishedTable per table. The writer changes them
// when a commit is done. Readers keep them alive after the writer is gone.
//
// Any thread. Every call holds one mutex for a short time and never does I/O.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_set.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "engine/common/table_cuts.h"
#include "engine/log_engine.h"
#include "engine/rocksdb/sequence_allocator.h"
#include "engine/types.h"

namespace walden::rocks {

// Records numbered from `first` on were appended at this time or later, lower ones at it or before
// (FORMAT.md: append times).
struct TimePoint {
  int64_t unix_micros = 0;
  SequenceNumber first = 0;
};

// The keys of a table's append times that count.
struct TimeSpan {
  TimePoint oldest;  // the last key at or below the first live record, or else the first key
  TimePoint newest;
};

struct PublishedTable {
  SequenceNumber last = 0;             // visible, or known to have been; 0: nothing yet
  SequenceNumber deleted_through = 0;  // 0 = nothing
  SequenceNumber first_live = 0;       // 0 = none is live
  TableKind kind = TableKind::kLog;
  uint64_t bytes = 0;                  // of what is live, about
  uint64_t publication = 0;            // PublishedTables::publications() as of its newest record
  std::optional<TimeSpan> times = {};  // none: no append time is known
};

class PublishedTables {
 public:
  // `numbers` outlives it.
  explicit PublishedTables(const SequenceAllocator* numbers) : allocator_(*numbers) {}

  // --- Writer ---

  struct Appended {
    TableId table = 0;
    SequenceNumber first = 0;
    SequenceNumber last = 0;
    TableKind kind = TableKind::kLog;
    uint64_t bytes = 0;
    SequenceNumber deleted_through = 0;  // of a table that is new here
    std::optional<TimePoint> time = {};  // the key of an append time that was written with it
  };
  void Publish(const std::vector<Appended>& appended) ABSL_LOCKS_EXCLUDED(mutex_);

  // Before their Publish: these records wait for a sync, until AllDurable.
  void NotDurable(const std::vector<Appended>& appended) ABSL_LOCKS_EXCLUDED(mutex_);
  void AllDurable() ABSL_LOCKS_EXCLUDED(mutex_);

  // `first_live` 0: no record is above the mark. `oldest_time`: TimeSpan::oldest from now on, if the
  // table has times. Returns an estimate of the deleted bytes.
  uint64_t RaiseMark(TableId table, SequenceNumber through, SequenceNumber first_live,
                     const std::optional<TimePoint>& oldest_time) ABSL_LOCKS_EXCLUDED(mutex_);

  void Add(TableId table, const PublishedTable& published) ABSL_LOCKS_EXCLUDED(mutex_);
  void Replace(std::map<TableId, PublishedTable> tables) ABSL_LOCKS_EXCLUDED(mutex_);

  // --- Anybody ---

  // The table; nullopt if nothing was ever appended to it.
  std::optional<PublishedTable> Find(TableId table) const ABSL_LOCKS_EXCLUDED(mutex_);

  struct Named {
    TableId table = 0;
    PublishedTable published;
  };
  // The first table with this id or a higher one.
  std::optional<Named> AtOrBehind(TableId table) const ABSL_LOCKS_EXCLUDED(mutex_);

  // The states of all tables at this moment. The cut keeps `tables` alive, which keeps the numbers.
  class Cut;
  static std::unique_ptr<Cut> NewCut(std::shared_ptr<const PublishedTables> tables);

  // Visits every table, in order, in steps between which the writer may go on.
  void ForEach(absl::FunctionRef<void(TableId, const PublishedTable&)> visit) const
      ABSL_LOCKS_EXCLUDED(mutex_);

  // A number that rises with every Publish. Every iterator that is made after this call sees the
  // publications through the returned number.
  uint64_t publications() const ABSL_LOCKS_EXCLUDED(mutex_);

  // `next` comes from the namespace's sequence allocator.
  TablePosition Position(TableId table) const ABSL_LOCKS_EXCLUDED(mutex_);
  // The states of at most `limit` tables with this id and higher ones. Copied in slices, between
  // which the writer goes on.
  std::vector<TableState> States(TableId from, size_t limit) const ABSL_LOCKS_EXCLUDED(mutex_);

  // Sets the numbers of tables and of live records, and the oldest record, at a time of the clock
  // on the wall. Tables without times do not count for the oldest one.
  void AddTo(RegionUsage& usage, int64_t now_unix_micros) const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  using Cuts = TableCuts<PublishedTable>;

  static uint64_t LiveRecords(const PublishedTable& published) {
    return published.first_live == 0 ? 0 : published.last - published.first_live + 1;
  }

  // The table, to be changed; added if it is new.
  PublishedTable& Of(TableId table) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  TableState StateOf(TableId table, const PublishedTable& published) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  // Adds a table to the figures of all tables, or takes it out before it changes.
  void Count(TableId table, const PublishedTable& published) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Uncount(TableId table, const PublishedTable& published)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::optional<OldestRecord> Oldest(int64_t now_unix_micros) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  SequenceNumber NextOf(TableId table, const PublishedTable& published) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  const SequenceAllocator& allocator_;
  mutable absl::Mutex mutex_;
  std::map<TableId, PublishedTable> tables_ ABSL_GUARDED_BY(mutex_);
  mutable Cuts cuts_ ABSL_GUARDED_BY(mutex_);
  // The first record of each table that waits for a sync.
  std::map<TableId, SequenceNumber> not_durable_ ABSL_GUARDED_BY(mutex_);
  uint64_t publications_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t live_records_ ABSL_GUARDED_BY(mutex_) = 0;  // of all tables, counted by numbers
  // The oldest times of the tables that have live records and times.
  absl::btree_set<std::pair<int64_t, TableId>> by_age_ ABSL_GUARDED_BY(mutex_);
};

class PublishedTables::Cut final : public TableCut {
 public:
  explicit Cut(std::shared_ptr<const PublishedTables> tables);
  ~Cut() override;

  std::vector<TableState> Next(size_t limit) override;

  // As Next, and visits the tables themselves. False if none was left.
  bool VisitNext(size_t limit, absl::FunctionRef<void(TableId, const PublishedTable&)> visit);

 private:
  const std::shared_ptr<const PublishedTables> tables_;
  Cuts::Copy copy_;  // guarded by the mutex of tables_
};

}  // namespace walden::rocks
