// Restores a log that was kept elsewhere, with its numbers.
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/common/append_checks.h"
#include "engine/rocksdb/keys/key_codec.h"
#include "engine/rocksdb/rocksdb_log.h"

namespace walden::rocks {

absl::Status RocksdbLog::AssignRestored(TableAppend& append) {
  const SequenceNumber first = *append.first_sequence;
  const uint64_t count = append.payloads.size();
  // Another region may have a table of this id with the same numbers. Only this region's numbers
  // count.
  SequenceNumber last = 0;
  if (const auto staged = staged_last_.find(append.table); staged != staged_last_.end()) {
    last = staged->second.last;
  } else if (const auto published = tables_->Find(append.table)) {
    last = published->last;
  }
  absl::Status status = CheckFirstSequence(append, last + 1);
  if (status.ok()) status = CheckNumbersLeft(first, count);
  if (!status.ok()) return status;
  append.first = first;
  append.last = first + count - 1;
  space_->allocator.RaiseAssigned(append.table, append.last);
  return status;
}

void RocksdbLog::RestoreMark(TableId table, SequenceNumber deleted_through, TableKind kind,
                             Done done) {
  operations_.Add<absl::Status>([=, this] { return RestoreMarkNow(table, deleted_through, kind); },
                                std::move(done));
}

absl::Status RocksdbLog::RestoreMarkNow(TableId table, SequenceNumber deleted_through,
                                        TableKind kind) {
  absl::Status status = space_->database.Health(generation_);
  if (!status.ok()) return status;
  const std::optional<PublishedTable> published = tables_->Find(table);
  if (published && published->deleted_through == deleted_through && published->kind == kind) {
    return absl::OkStatus();
  }
  status = CheckNumbersLeft(deleted_through, 1);
  if (!status.ok()) return status;
  if (published) {
    return MakeError(
        absl::StatusCode::kFailedPrecondition, ErrorReason::kRestoreOutOfOrder,
        absl::StrCat("table ", table, " cannot be restored: it has records, or another mark, here"),
        {{"field", "table_id"}, {"value", absl::StrCat(table)}});
  }
  BeginGroup();
  const Entry own = TableEntry({region_, table, kind, deleted_through});
  batch_.Put(own.key, own.value);
  absl::MutexLock lock(&space_->shared_keys_mutex);
  if (deleted_through > 0) space_->PutMaxSeq(batch_, table, deleted_through);
  status = WriteStaged(/*sync=*/true);
  if (!status.ok()) return status;
  space_->allocator.RaiseUsed(table, deleted_through);
  space_->marks->Raise({region_, table, deleted_through});
  tables_->Add(table, {.last = deleted_through, .deleted_through = deleted_through, .kind = kind});
  return status;
}

SequenceNumber RocksdbLog::NextNumber(TableId table) const { return space_->allocator.Next(table); }

void RocksdbLog::RestoreNext(TableId table, SequenceNumber next, Done done) {
  operations_.Add<absl::Status>([=, this] { return RestoreNextNow(table, next); }, std::move(done));
}

absl::Status RocksdbLog::RestoreNextNow(TableId table, SequenceNumber next) {
  absl::Status status = space_->database.Health(generation_);
  if (!status.ok() || next <= NextNumber(table)) return status;
  status = CheckNumbersLeft(next, 1);
  if (!status.ok()) return status;
  BeginGroup();
  absl::MutexLock lock(&space_->shared_keys_mutex);
  space_->PutReserved(batch_, table, next - 1);
  status = WriteStaged(/*sync=*/true);
  if (status.ok()) space_->allocator.RaiseUsed(table, next - 1);
  return status;
}

}  // namespace walden::rocks
