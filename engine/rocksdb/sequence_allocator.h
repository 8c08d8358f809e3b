// Assigns the sequence numbers of a namespace's tables. Tables of the same id share one row of
// numbers, whatever region they are in (FORMAT.md). Every part of the engine that reports, compares
// or assigns the next number of a table asks this class. Any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "engine/log_engine.h"
#include "engine/types.h"

namespace walden::rocks {

class SequenceAllocator {
 public:
  // --- What is stored ---

  // Notes that records or marks of the namespace use numbers through `last`.
  void RaiseUsed(TableId table, SequenceNumber last) ABSL_LOCKS_EXCLUDED(mutex_);
  // Raises the MaxSeq that may be stored, whose numbers count as used, and returns the highest
  // known one.
  SequenceNumber RaiseMaxSeq(TableId table, SequenceNumber through) ABSL_LOCKS_EXCLUDED(mutex_);
  // Raises the reservation and returns the highest known one. Its numbers do not count as used. No
  // caller may rely on the reservation before it is durable.
  SequenceNumber RaiseReserved(TableId table, SequenceNumber through) ABSL_LOCKS_EXCLUDED(mutex_);
  // Notes that a reservation through this number is durable.
  void ReservedDurably(TableId table, SequenceNumber through) ABSL_LOCKS_EXCLUDED(mutex_);

  // After a crash: reserved numbers count as used.
  void TakeReservedForUsed() ABSL_LOCKS_EXCLUDED(mutex_);
  // When no write is under way: assigned numbers count as used, written or not.
  void TakeAssignedForUsed() ABSL_LOCKS_EXCLUDED(mutex_);
  // Gives up numbers that are reserved and not assigned. Returns the highest assigned number.
  SequenceNumber ReturnReserved(TableId table) ABSL_LOCKS_EXCLUDED(mutex_);

  // --- Appending ---

  // ABORTED (SEQUENCE_MISMATCH) if another number is expected than would be assigned.
  absl::Status CheckNext(const TableAppend& append) const ABSL_LOCKS_EXCLUDED(mutex_);
  // Checks the expected number of each table again, and that there are numbers left. Then assigns
  // the numbers of all tables of the batch; after an error of none. `begins`: whether the caller has
  // no other numbers of the table under way. From then on Next() is not above the table's first
  // number until Finish gets it, even if another region finishes higher ones before.
  absl::Status Assign(AppendBatch& batch, absl::FunctionRef<bool(TableId)> begins)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends the numbers assigned from `first` on: their records are visible, or never will be.
  void Finish(TableId table, SequenceNumber first) ABSL_LOCKS_EXCLUDED(mutex_);
  // Takes back numbers that were neither written nor answered, unless another region was assigned
  // higher ones since.
  void GiveBack(TableId table, SequenceNumber first, SequenceNumber last)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Notes that the numbers of restored records are assigned.
  void RaiseAssigned(TableId table, SequenceNumber last) ABSL_LOCKS_EXCLUDED(mutex_);

  // --- Asking ---

  // The lowest number that a record which is not visible yet can have: that of the next append, or
  // the first one under way.
  SequenceNumber Next(TableId table) const ABSL_LOCKS_EXCLUDED(mutex_);
  // The highest number that is used; 0 = none.
  SequenceNumber Used(TableId table) const ABSL_LOCKS_EXCLUDED(mutex_);
  SequenceNumber MaxSeq(TableId table) const ABSL_LOCKS_EXCLUDED(mutex_);
  // The durable reservation. A higher one may be stored.
  SequenceNumber Reserved(TableId table) const ABSL_LOCKS_EXCLUDED(mutex_);
  // The mark of a table that Walden never wrote: HoraeDB leaves only a MaxSeq of a table whose
  // records are all deleted. 0 for every other table.
  SequenceNumber ForeignMark(TableId table) const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Table {
    SequenceNumber assigned = 0;  // at least `used`; more while a write is under way
    SequenceNumber used = 0;
    SequenceNumber reserved = 0;          // may be stored
    SequenceNumber reserved_durably = 0;  // is stored
    SequenceNumber max_seq = 0;
    bool is_known = false;                  // something besides a MaxSeq is stored
    std::vector<SequenceNumber> under_way;  // first numbers, rising: one of each region at most
  };
  void Use(Table& table, SequenceNumber last) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  const Table* Find(TableId table) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  absl::flat_hash_map<TableId, Table> tables_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace walden::rocks
