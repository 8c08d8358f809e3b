// Seeks by append time. The times in memory bound the number, the heads of the groups around the
// bound say exactly where the group begins, and a read finds the table's first record from there.
#include <algorithm>
#include <optional>

#include "base/error.h"
#include "engine/segment/published_log.h"
#include "engine/segment/segment_log.h"
#include "engine/segment/segment_reader.h"
#include "engine/segment/time_search.h"

namespace walden::segment {
namespace {

// Version 1 stored no times: its records were written by the upgrade, whose time is known in
// milliseconds.
constexpr int64_t kUpgradeStepMicros = 1000;

}  // namespace

PublishedLog::TimeBound PublishedLog::BoundOf(int64_t unix_micros) const {
  absl::ReaderMutexLock lock(&mutex_);
  TimeBound bound;
  for (const auto& [id, segment] : segments_) {
    if (segment.last == 0) continue;  // it never held a record, or all are lost
    if (segment.file->header().version_1()) {
      if (segment.written_unix_micros + kUpgradeStepMicros > unix_micros) return bound;
      bound.from = segment.last + 1;
      continue;
    }
    // Only numbers of groups that are known to be earlier count. So the bound never passes over
    // damage whose records may have been appended later.
    const SequenceNumber before = segment.append_times.AppendedBefore(unix_micros);
    if (before > 0) bound.from = before + 1;
    const auto newest = segment.append_times.newest();
    if (!newest || *newest < unix_micros) continue;
    bound.file = segment.file;
    bound.begin = segment.append_times.PlaceBefore(unix_micros);
    bound.end = segment.end;
    return bound;
  }
  return bound;
}

PublishedLog::FirstFrom PublishedLog::FindFrom(TableId table, SequenceNumber from) const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto it = tables_.find(table);
  const Table known = it == tables_.end() ? Table{} : it->second;
  from = std::max(from, known.deleted_through + 1);
  std::optional<SequenceNumber> found;
  bool is_certain = true;
  for (const auto& [id, segment] : segments_) {
    const auto range = segment.index.LiveRange(table);
    if (!range || range->last < from) continue;
    is_certain = range->first >= from;
    found = is_certain ? range->first : from;
    break;
  }
  if (const auto damage = DamageFrom(from)) {
    const SequenceNumber lost = std::max(damage->first, from);
    // Damage from before a table was restored lies below its first number.
    if (!found || lost <= *found) {
      return {.number = std::max<SequenceNumber>(1, known.Shown(lost))};
    }
  }
  if (!found) return {.number = NextOf(known)};
  return {.number = known.Shown(*found), .is_certain = is_certain};
}

absl::StatusOr<SequenceNumber> SegmentLog::NumberSince(int64_t unix_micros) const {
  for (;;) {
    const PublishedLog::TimeBound bound = published_->BoundOf(unix_micros);
    if (bound.file == nullptr) return bound.from;
    const auto found = FirstGroupSince(*bound.file, bound.begin, bound.end, unix_micros);
    if (found.ok()) return std::max(bound.from, *found);
    const bool is_gone = absl::IsNotFound(found.status());
    if (is_gone && !published_->Lists(bound.file->id())) continue;  // it was deleted meanwhile
    // A reader from the bound reports the damage, or the missing file.
    if (is_gone || absl::IsDataLoss(found.status())) return bound.from;
    return found.status();
  }
}

absl::StatusOr<SequenceNumber> SegmentLog::FirstSince(TableId table, absl::Time time) const {
  const absl::StatusOr<SequenceNumber> from = NumberSince(absl::ToUnixMicros(time));
  if (!from.ok()) return from;
  for (;;) {
    const PublishedLog::FirstFrom found = published_->FindFrom(table, *from);
    if (found.is_certain) return found.number;
    SegmentReader reader(published_, {.table = table, .first = found.number});
    SequenceNumber first = 0;
    const auto read =
        reader.Next({.max_records = 1}, [&](const RecordView& record) { first = record.sequence; });
    if (read.ok() && first > 0) return first;
    // A reader from this number reports the damage.
    if (read.ok() || absl::IsDataLoss(read.status())) return found.number;
    // Otherwise the records were marked deleted meanwhile.
    if (!HasReason(read.status(), ErrorReason::kRecordsGone)) return read.status();
  }
}

}  // namespace walden::segment
