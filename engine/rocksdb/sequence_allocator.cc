#include "engine/rocksdb/sequence_allocator.h"

#include <algorithm>

#include "engine/common/append_checks.h"

namespace walden::rocks {

void SequenceAllocator::Use(Table& table, SequenceNumber last) {
  table.used = std::max(table.used, last);
  table.assigned = std::max(table.assigned, last);
}

const SequenceAllocator::Table* SequenceAllocator::Find(TableId table) const {
  const auto it = tables_.find(table);
  return it == tables_.end() ? nullptr : &it->second;
}

void SequenceAllocator::RaiseUsed(TableId table, SequenceNumber last) {
  absl::MutexLock lock(&mutex_);
  Table& known = tables_[table];
  known.is_known = true;
  Use(known, last);
}

SequenceNumber SequenceAllocator::RaiseMaxSeq(TableId table, SequenceNumber through) {
  absl::MutexLock lock(&mutex_);
  Table& known = tables_[table];
  known.max_seq = std::max(known.max_seq, through);
  Use(known, through);
  return known.max_seq;
}

SequenceNumber SequenceAllocator::RaiseReserved(TableId table, SequenceNumber through) {
  absl::MutexLock lock(&mutex_);
  Table& known = tables_[table];
  known.is_known = true;
  known.reserved = std::max(known.reserved, through);
  return known.reserved;
}

void SequenceAllocator::ReservedDurably(TableId table, SequenceNumber through) {
  absl::MutexLock lock(&mutex_);
  Table& known = tables_[table];
  known.reserved_durably = std::max(known.reserved_durably, through);
}

void SequenceAllocator::TakeReservedForUsed() {
  absl::MutexLock lock(&mutex_);
  for (auto& [id, table] : tables_) Use(table, table.reserved);
}

void SequenceAllocator::TakeAssignedForUsed() {
  absl::MutexLock lock(&mutex_);
  for (auto& [id, table] : tables_) table.used = table.assigned;
}

SequenceNumber SequenceAllocator::ReturnReserved(TableId table) {
  absl::MutexLock lock(&mutex_);
  Table& known = tables_[table];
  known.reserved = 0;
  known.reserved_durably = 0;
  return known.assigned;
}

absl::Status SequenceAllocator::CheckNext(const TableAppend& append) const {
  absl::ReaderMutexLock lock(&mutex_);
  const Table* const known = Find(append.table);
  return CheckExpectedNext(append, known == nullptr ? 1 : known->assigned + 1);
}

absl::Status SequenceAllocator::Assign(AppendBatch& batch,
                                       absl::FunctionRef<bool(TableId)> begins) {
  absl::MutexLock lock(&mutex_);
  for (const TableAppend& append : batch.tables) {
    const SequenceNumber first = tables_[append.table].assigned + 1;
    absl::Status status = CheckExpectedNext(append, first);
    if (status.ok()) status = CheckNumbersLeft(first, append.payloads.size());
    if (!status.ok()) return status;
  }
  for (TableAppend& append : batch.tables) {
    Table& known = tables_[append.table];
    append.first = known.assigned + 1;
    known.assigned += append.payloads.size();
    append.last = known.assigned;
    if (begins(append.table)) known.under_way.push_back(append.first);
  }
  return absl::OkStatus();
}

void SequenceAllocator::Finish(TableId table, SequenceNumber first) {
  absl::MutexLock lock(&mutex_);
  std::erase(tables_[table].under_way, first);
}

void SequenceAllocator::GiveBack(TableId table, SequenceNumber first, SequenceNumber last) {
  absl::MutexLock lock(&mutex_);
  Table& known = tables_[table];
  if (known.assigned == last) known.assigned = std::max(first - 1, known.used);
}

void SequenceAllocator::RaiseAssigned(TableId table, SequenceNumber last) {
  absl::MutexLock lock(&mutex_);
  Table& known = tables_[table];
  known.assigned = std::max(known.assigned, last);
}

SequenceNumber SequenceAllocator::Next(TableId table) const {
  absl::ReaderMutexLock lock(&mutex_);
  const Table* const known = Find(table);
  if (known == nullptr) return 1;
  const SequenceNumber next = known->used + 1;
  return known->under_way.empty() ? next : std::min(next, known->under_way.front());
}

SequenceNumber SequenceAllocator::Used(TableId table) const {
  absl::ReaderMutexLock lock(&mutex_);
  const Table* const known = Find(table);
  return known == nullptr ? 0 : known->used;
}

SequenceNumber SequenceAllocator::MaxSeq(TableId table) const {
  absl::ReaderMutexLock lock(&mutex_);
  const Table* const known = Find(table);
  return known == nullptr ? 0 : known->max_seq;
}

SequenceNumber SequenceAllocator::Reserved(TableId table) const {
  absl::ReaderMutexLock lock(&mutex_);
  const Table* const known = Find(table);
  return known == nullptr ? 0 : known->reserved_durably;
}

SequenceNumber SequenceAllocator::ForeignMark(TableId table) const {
  absl::ReaderMutexLock lock(&mutex_);
  const Table* const known = Find(table);
  return known == nullptr || known->is_known ? 0 : known->max_seq;
}

}  // namespace walden::rocks
