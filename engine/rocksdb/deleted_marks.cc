#include "engine/rocksdb/deleted_marks.h"

#include <algorithm>
#include <cstdint>

namespace walden::rocks {

void DeletedMarks::Raise(const DeletedMark& mark) {
  if (mark.through == 0) return;
  absl::MutexLock lock(&mutex_);
  SequenceNumber& known = marks_[{mark.region, mark.table}];
  known = std::max(known, mark.through);
}

void DeletedMarks::Forget(RegionId region) {
  absl::MutexLock lock(&mutex_);
  marks_.erase(marks_.lower_bound({region, 0}), marks_.upper_bound({region, UINT64_MAX}));
}

SequenceNumber DeletedMarks::Of(RegionId region, TableId table) const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto it = marks_.find({region, table});
  return it == marks_.end() ? 0 : it->second;
}

std::vector<DeletedMark> DeletedMarks::All() const {
  absl::ReaderMutexLock lock(&mutex_);
  std::vector<DeletedMark> all;
  all.reserve(marks_.size());
  for (const auto& [key, through] : marks_) all.push_back({key.first, key.second, through});
  return all;
}

}  // namespace walden::rocks
