// The numbers of a namespace's tables: one row for each table id, whatever regions have a table of
// that id (FORMAT.md). Any thread.
#pragma once

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "engine/types.h"

namespace walden::rocks {

class TableNumbers {
 public:
  // Forgets everything.
  void Clear() ABSL_LOCKS_EXCLUDED(mutex_);

  // Numbers through this one are used, or may be.
  void RaiseLast(TableId table, SequenceNumber last) ABSL_LOCKS_EXCLUDED(mutex_);
  void RaiseReserved(TableId table, SequenceNumber through) ABSL_LOCKS_EXCLUDED(mutex_);
  void RaiseMaxSeq(TableId table, SequenceNumber through) ABSL_LOCKS_EXCLUDED(mutex_);

  // After a crash: what was reserved counts as used.
  void TakeReservedForUsed() ABSL_LOCKS_EXCLUDED(mutex_);
  // What is reserved and not used goes back. Returns the highest used number.
  SequenceNumber ReturnReserved(TableId table) ABSL_LOCKS_EXCLUDED(mutex_);

  // The next `count` numbers; the first of them.
  SequenceNumber Assign(TableId table, uint64_t count) ABSL_LOCKS_EXCLUDED(mutex_);
  SequenceNumber Last(TableId table) const ABSL_LOCKS_EXCLUDED(mutex_);
  SequenceNumber Reserved(TableId table) const ABSL_LOCKS_EXCLUDED(mutex_);
  SequenceNumber MaxSeq(TableId table) const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Table {
    SequenceNumber last = 0;
    SequenceNumber reserved = 0;
    SequenceNumber max_seq = 0;  // as stored
  };
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<TableId, Table> tables_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace walden::rocks
