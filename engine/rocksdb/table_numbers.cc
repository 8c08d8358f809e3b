#include "engine/rocksdb/table_numbers.h"

#include <algorithm>

namespace walden::rocks {

void TableNumbers::Clear() {
  absl::MutexLock lock(&mutex_);
  tables_.clear();
}

void TableNumbers::RaiseLast(TableId table, SequenceNumber last) {
  absl::MutexLock lock(&mutex_);
  SequenceNumber& known = tables_[table].last;
  known = std::max(known, last);
}

void TableNumbers::RaiseReserved(TableId table, SequenceNumber through) {
  absl::MutexLock lock(&mutex_);
  SequenceNumber& known = tables_[table].reserved;
  known = std::max(known, through);
}

void TableNumbers::RaiseMaxSeq(TableId table, SequenceNumber through) {
  absl::MutexLock lock(&mutex_);
  Table& known = tables_[table];
  known.max_seq = std::max(known.max_seq, through);
  known.last = std::max(known.last, through);
}

void TableNumbers::TakeReservedForUsed() {
  absl::MutexLock lock(&mutex_);
  for (auto& [id, table] : tables_) table.last = std::max(table.last, table.reserved);
}

SequenceNumber TableNumbers::ReturnReserved(TableId table) {
  absl::MutexLock lock(&mutex_);
  Table& known = tables_[table];
  known.reserved = 0;
  return known.last;
}

SequenceNumber TableNumbers::Assign(TableId table, uint64_t count) {
  absl::MutexLock lock(&mutex_);
  SequenceNumber& last = tables_[table].last;
  last += count;
  return last - count + 1;
}

SequenceNumber TableNumbers::Last(TableId table) const {
  absl::MutexLock lock(&mutex_);
  const auto it = tables_.find(table);
  return it == tables_.end() ? 0 : it->second.last;
}

SequenceNumber TableNumbers::Reserved(TableId table) const {
  absl::MutexLock lock(&mutex_);
  const auto it = tables_.find(table);
  return it == tables_.end() ? 0 : it->second.reserved;
}

SequenceNumber TableNumbers::MaxSeq(TableId table) const {
  absl::MutexLock lock(&mutex_);
  const auto it = tables_.find(table);
  return it == tables_.end() ? 0 : it->second.max_seq;
}

}  // namespace walden::rocks
