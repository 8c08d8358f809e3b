// Taking in a log that was kept elsewhere, with its numbers.
//
// A region's records share one rising row of numbers. Where a table's own numbers are lower than
// the row has come, the table gets an offset, once, before its first record: its numbers in the log
// are higher by that much than clients know them.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "engine/error.h"
#include "engine/segment/segment_log.h"

namespace walden::segment {
namespace {

absl::Status OutOfOrder(TableId table, absl::string_view what) {
  return MakeError(absl::StatusCode::kFailedPrecondition, ErrorReason::kRestoreOutOfOrder,
                   absl::StrCat("table ", table, " cannot be restored: ", what),
                   {{"field", "table_id"}, {"value", absl::StrCat(table)}});
}

absl::Status NumberTooHigh(SequenceNumber sequence) {
  return MakeError(
      absl::StatusCode::kInvalidArgument, ErrorReason::kLimitExceeded,
      absl::StrCat("the numbers of the batch, from ", sequence,
                   " on, end above the highest that this log can hold, ", kMaxSequenceNumber),
      {{"field", "first_sequence"},
       {"value", absl::StrCat(sequence)},
       {"limit", absl::StrCat(kMaxSequenceNumber)}});
}

}  // namespace

absl::Status SegmentLog::PlaceRestored(const AppendBatch& batch, SequenceNumber* first) {
  const SequenceNumber shown = *batch.first_sequence;
  const SequenceNumber table_next = TableNext(batch.table);
  if (shown < table_next) {
    return MakeError(absl::StatusCode::kAborted, ErrorReason::kSequenceMismatch,
                     absl::StrCat("first_sequence is ", shown, ", but table ", batch.table,
                                  " has come to ", table_next, " already"),
                     {{"field", "first_sequence"},
                      {"value", absl::StrCat(shown)},
                      {"actual_next_sequence", absl::StrCat(table_next)}});
  }
  if (shown > kMaxSequenceNumber - next_ - batch.payloads.size()) return NumberTooHigh(shown);
  if (shown + published_->Offset(batch.table) < next_) {
    if (LastAssigned(batch.table) != 0) {
      return OutOfOrder(batch.table,
                        "other tables were written since its last record; restore one table "
                        "after the other");
    }
    const absl::Status status = RaiseOffset(batch.table, shown);
    if (!status.ok()) return status;
  }
  *first = shown + published_->Offset(batch.table);
  if (*first == next_ || *first - 1 <= metadata_->state().reserved_through) {
    return absl::OkStatus();
  }
  // Whoever searches for records behind damage must know how far a number may have jumped.
  return AppendMetadata({MetadataEntry::SequenceReserved(*first - 1)});
}

absl::Status SegmentLog::RaiseOffset(TableId table, SequenceNumber shown) {
  const uint64_t offset = next_ - shown;
  const absl::Status status = AppendMetadata({MetadataEntry::TableOffset(table, offset)});
  if (status.ok()) published_->SetOffset(table, offset);
  return status;
}

absl::Status SegmentLog::RestoreMark(TableId table, SequenceNumber deleted_through,
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
  if (deleted_through > kMaxSequenceNumber - next_) return NumberTooHigh(deleted_through);
  if (kind == TableKind::kEntries) {
    status = AppendMetadata({MetadataEntry::EntryTable(table)});
    if (!status.ok()) return status;
    published_->SetEntryTable(table);
  }
  if (deleted_through == 0) return absl::OkStatus();
  // Through here nothing else may ever be numbered.
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

absl::Status SegmentLog::RestoreNext(TableId table, SequenceNumber next) {
  absl::Status status = Health();
  if (!status.ok() || next <= NextNumber(table)) return status;
  const uint64_t offset = published_->Offset(table);
  if (next > kMaxSequenceNumber - offset) return NumberTooHigh(next);
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
