// The marks of a namespace's tables that are durable: what compaction may take out. Any thread;
// every call holds one mutex for a lookup and does no I/O.
//
// A mark is added after the write that holds it was synced, and is never lowered. The marks of a
// region are forgotten before its drop is written, so that records of a region that is made again
// under the same id are never measured by a mark of the old one. A table without a mark here keeps
// every record.
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
  // The mark is synced.
  void Raise(const DeletedMark& mark) ABSL_LOCKS_EXCLUDED(mutex_);

  // Before the drop of the region is written.
  void Forget(RegionId region) ABSL_LOCKS_EXCLUDED(mutex_);

  // 0: nothing of the table is known to be deleted.
  SequenceNumber Of(RegionId region, TableId table) const ABSL_LOCKS_EXCLUDED(mutex_);

  // Ordered by region, then table.
  std::vector<DeletedMark> All() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  mutable absl::Mutex mutex_;
  std::map<std::pair<RegionId, TableId>, SequenceNumber> marks_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace walden::rocks
