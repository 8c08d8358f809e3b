// The durable marks of a namespace's tables, by which compactions remove records. Any thread; every
// call holds one mutex for a lookup and does no I/O.
//
// A mark is added after the write that holds it was synced, and is never lowered. The marks of a
// region are forgotten before its drop is written, so a mark of the old region never applies to
// records of a new one with the same id. A table without a mark here keeps every record.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "engine/types.h"

namespace walden::rocks {

struct DeletedMark {
  RegionId region = 0;
  TableId table = 0;
  SequenceNumber through = 0;
};

class DeletedMarks {
 public:
  // Adds a mark that is synced.
  void Raise(const DeletedMark& mark) ABSL_LOCKS_EXCLUDED(mutex_);

  // Forgets the marks of a region. Call it before the region's drop is written.
  void Forget(RegionId region) ABSL_LOCKS_EXCLUDED(mutex_);

  // The table's mark; 0 if it has none.
  SequenceNumber Of(RegionId region, TableId table) const ABSL_LOCKS_EXCLUDED(mutex_);

  // All marks, ordered by region, then table.
  std::vector<DeletedMark> All() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  mutable absl::Mutex mutex_;
  std::map<std::pair<RegionId, TableId>, SequenceNumber> marks_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace walden::rocks
