// Restores a log that was kept elsewhere, with its numbers.
//
// A region's records share one rising row of numbers. A table whose own numbers are lower than the
// row's next number gets an offset, once, before its first record. The offset is the difference
// between its numbers in the log and those that clients know.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/common/append_checks.h"
#include "engine/segment/segment_log.h"

namespace walden::segment {
namespace {

absl::Status OutOfOrder(TableId table, absl::string_view what) {
  return MakeError(absl::StatusCode::kFailedPrecondition, ErrorReason::kRestoreOutOfOrder,
                   absl::StrCat("table ", table, " cannot be restored: ", what),
                   {{"field", "table_id"}, {"value", absl::StrCat(table)}});
}

}  // namespace

absl::Status SegmentLog::PlaceRestored(const TableAppend& append, PublishedLog::TableFacts& table,
                                       SequenceNumber* first) {
  const SequenceNumber shown = *append.first_sequence;
  absl::Status status =
      CheckFirstSequence(append, table.last - std::min(table.last, table.offset) + 1);
  if (status.ok()) status = CheckNumbersLeft(shown, append.payloads.size());
  if (!status.ok()) return status;
  if (shown > kMaxSequenceNumber - table.offset) return CheckNumbersLeft(UINT64_MAX, 1);
  if (shown + table.offset < next_) {
    if (table.last != 0) {
      return OutOfOrder(append.table,
                        "other tables were written since its last record; restore one table "
                        "after the other");
    }
    status = RaiseOffset(append.table, shown);
    if (!status.ok()) return status;
    table.offset = next_ - shown;
  }
  *first = shown + table.offset;
  status = CheckNumbersLeft(*first, append.payloads.size());
  if (!status.ok() || *first == next_ || *first - 1 <= metadata_->state().reserved_through) {
    return status;
  }
  // A scan that finds damage must know how far a number may have jumped.
  return AppendMetadata({MetadataEntry::SequenceReserved(*first - 1)});
}

absl::Status SegmentLog::RaiseOffset(TableId table, SequenceNumber shown) {
  const uint64_t offset = next_ - shown;
  const absl::Status status = AppendMetadata({MetadataEntry::TableOffset(table, offset)});
  if (status.ok()) published_->SetOffset(table, offset);
  return status;
}

void SegmentLog::RestoreMark(TableId table, SequenceNumber deleted_through, TableKind kind,
                             Done done) {
  operations_.Add<absl::Status>([=, this] { return RestoreMarkNow(table, deleted_through, kind); },
                                std::move(done));
}

absl::Status SegmentLog::RestoreMarkNow(TableId table, SequenceNumber deleted_through,
                                        TableKind kind) {
  absl::Status status = Health();
  if (!status.ok()) return status;
  const TablePosition known = published_->Position(table);
  if (known.deleted_through == deleted_through && known.deleted_through > 0) {
    return absl::OkStatus();
  }
  if (published_->LastAssigned(table) != 0) {
    return OutOfOrder(table, "it has records, or another mark, here");
  }
  status = CheckNumbersLeft(deleted_through, 1);
  if (!status.ok()) return status;
  if (kind == TableKind::kEntries) {
    status = AppendMetadata({MetadataEntry::EntryTable(table)});
    if (!status.ok()) return status;
    published_->SetEntryTable(table);
  }
  if (deleted_through == 0) return absl::OkStatus();
  // No other record may get a number through this one.
  const SequenceNumber stored = std::max(deleted_through, next_ - 1);
  status = AppendMetadata(
      {MetadataEntry::TableOffset(table, stored - deleted_through),
       MetadataEntry::SequenceReserved(std::max(stored, metadata_->state().reserved_through)),
       MetadataEntry::TableMark(table, stored)});
  if (!status.ok()) return status;
  published_->SetOffset(table, stored - deleted_through);
  published_->RaiseMark(table, stored, stored + 1);
  next_ = std::max(next_, stored + 1);
  published_->SetNext(next_);
  return absl::OkStatus();
}

SequenceNumber SegmentLog::NextNumber(TableId table) const {
  return next_ - published_->Offset(table);
}

void SegmentLog::RestoreNext(TableId table, SequenceNumber next, Done done) {
  operations_.Add<absl::Status>([=, this] { return RestoreNextNow(table, next); }, std::move(done));
}

absl::Status SegmentLog::RestoreNextNow(TableId table, SequenceNumber next) {
  absl::Status status = Health();
  if (!status.ok() || next <= NextNumber(table)) return status;
  const uint64_t offset = published_->Offset(table);
  if (next > kMaxSequenceNumber - offset) return CheckNumbersLeft(next, offset + 1);
  const SequenceNumber stored = next + offset;
  if (metadata_->state().reserved_through < stored - 1) {
    status = AppendMetadata({MetadataEntry::SequenceReserved(stored - 1)});
    if (!status.ok()) return status;
  }
  next_ = stored;
  published_->SetNext(next_);
  return absl::OkStatus();
}

}  // namespace walden::segment
