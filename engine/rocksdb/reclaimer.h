// Frees the disk space of records that were marked deleted and of regions that were dropped, while
// the namespace is in use. Any thread.
//
// The reclaimer only decides when and where RocksDB compacts. Durable marks decide which records a
// compaction removes (mark_filter.h). A dropped region's keys are removed by the range deletion
// that the drop wrote.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/executor.h"
#include "engine/rocksdb/database.h"
#include "engine/rocksdb/deleted_marks.h"
#include "engine/rocksdb/reclaim_plan.h"

namespace walden::rocks {

// The reclaimer works in short background tasks of one compaction each: at once when enough was
// deleted, otherwise when nothing was marked for a while (Tick).
class Reclaimer {
 public:
  // `background` null: only Run() reclaims.
  Reclaimer(Database* database, std::shared_ptr<const DeletedMarks> marks, Executor* background);
  ~Reclaimer();

  // Notes that a durable mark covers about `bytes` more bytes of the table. `is_urgent`: the disk
  // or the quota is full.
  void Marked(RegionId region, TableId table, uint64_t bytes, bool is_urgent)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Notes that the drop of the region is durable.
  void Dropped(RegionId region) ABSL_LOCKS_EXCLUDED(mutex_);
  // Notes that the marks were read. A background task finds the space that marked records and
  // dropped regions still take.
  void Loaded() ABSL_LOCKS_EXCLUDED(mutex_);

  // Begins work that is not urgent once nothing was marked for some seconds. Call it from time to
  // time.
  void Tick() ABSL_LOCKS_EXCLUDED(mutex_);

  bool has_background() const { return background_ != nullptr; }
  uint64_t waiting_bytes() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Reclaims everything that waits, in this thread. A step that lacks room for its rewritten
  // records stays for later.
  absl::Status Run(ReclaimEffort effort) ABSL_LOCKS_EXCLUDED(mutex_);

  // Ends a compaction under way and waits for it. No other one begins.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // The link from a posted task to its reclaimer, which may be gone when the task runs.
  struct Link;

  bool IsWorthIt(uint64_t stored) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Post() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Returns true if there is more to do now.
  bool Task() ABSL_LOCKS_EXCLUDED(mutex_);

  // Does one plan or one compaction, and sets *more to whether to call again. One thread at a time.
  absl::Status Step(ReclaimEffort effort, bool* more) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Plan(ReclaimEffort effort) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Compact(const ReclaimStep& step) ABSL_LOCKS_EXCLUDED(mutex_);
  // An error if a write failed. Then RocksDB must not flush: it would try again to switch to a new
  // log, and aborts if a drop is in memory.
  absl::Status CanWork() const;
  uint64_t StoredBytes() const;  // in table files and in memory

  Database* const database_;
  const std::shared_ptr<const DeletedMarks> marks_;
  Executor* const background_;
  const std::shared_ptr<Link> link_;

  mutable absl::Mutex mutex_;
  Reclaimable waiting_ ABSL_GUARDED_BY(mutex_);
  uint64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;              // of it and of steps_, about
  std::vector<ReclaimStep> steps_ ABSL_GUARDED_BY(mutex_);  // planned, the next one last
  absl::Duration last_mark_ ABSL_GUARDED_BY(mutex_);        // when it was made
  bool has_old_drops_ ABSL_GUARDED_BY(mutex_) = false;      // perhaps
  bool is_new_ ABSL_GUARDED_BY(mutex_) = false;  // something waits that no plan has looked at
  bool is_posted_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_running_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace walden::rocks
