// Checking seeks by append time, retention, and reads of the last records.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tests/simulation/region_model.h"
#include "tests/simulation/wrong.h"

namespace walden::testing {

SequenceNumber RegionModel::FirstLive(const StoredPart& part) const {
  const SequenceNumber live = std::max(part.first, MarkOf(part.table) + 1);
  return live <= part.last() ? live : 0;
}

// Append times never fall within a table. Records that were deleted may be forgotten, and their
// times with them.
int64_t RegionModel::AppendTime(TableId table, int64_t unix_micros) const {
  for (auto batch = batches_.rbegin(); batch != batches_.rend(); ++batch) {
    for (const StoredPart& part : batch->parts) {
      if (part.table != table) continue;
      return FirstLive(part) == 0 ? unix_micros : std::max(unix_micros, part.appended_micros);
    }
  }
  return unix_micros;
}

absl::Status RegionModel::CheckSince(TableId table, int64_t unix_micros, SequenceNumber first,
                                     SequenceNumber next) const {
  RETURN_IF_WRONG(CheckNothingSkipped(table, unix_micros, first));
  SequenceNumber earliest = next;
  for (const StoredBatch& batch : batches_) {
    if (batch.latest_micros < unix_micros - time_step_micros_) continue;
    for (const StoredPart& part : batch.parts) {
      if (part.table != table || FirstLive(part) == 0) continue;
      earliest = std::min(earliest, FirstLive(part));
    }
  }
  if (first >= earliest) return absl::OkStatus();
  return Wrong("table ", table, ": ", first, " since ", unix_micros, " is earlier than ", earliest);
}

absl::Status RegionModel::CheckNothingSkipped(TableId table, int64_t unix_micros,
                                              SequenceNumber first) const {
  for (const StoredBatch& batch : batches_) {
    for (const StoredPart& part : batch.parts) {
      if (part.table != table || part.appended_micros < unix_micros) continue;
      const SequenceNumber live = FirstLive(part);
      if (live == 0 || live >= first) continue;
      return Wrong("table ", table, ": ", first, " since ", unix_micros, " skips ", live, " of ",
                   part.appended_micros);
    }
  }
  return absl::OkStatus();
}

absl::Status RegionModel::CheckPlan(const RetentionPlan& plan, int64_t unix_micros) const {
  uint64_t records = 0;
  TableId before = 0;
  for (const TableMark& mark : plan.marks) {
    if (mark.table <= before) return Wrong("the marks of a plan are not ordered by table");
    before = mark.table;
    if (mark.through <= MarkOf(mark.table)) {
      return Wrong("table ", mark.table, ": the plan's mark ", mark.through, " deletes nothing");
    }
    if (mark.through >= Next(mark.table)) {
      return Wrong("table ", mark.table, ": the plan's mark ", mark.through, " is not given out");
    }
    RETURN_IF_WRONG(CheckNothingSkipped(mark.table, unix_micros, mark.through + 1));
    for (const StoredRecord& record : Live(mark.table)) records += record.sequence <= mark.through;
  }
  // After marks inside a segment an engine may know the number of its records only roughly.
  if (plan.records > 0 || records == 0) return absl::OkStatus();
  return Wrong("the plan names no records, and deletes ", records);
}

absl::Status RegionModel::CheckLast(const RegionLog& log, TableId table, uint64_t count,
                                    SequenceNumber first) const {
  const std::vector<StoredRecord> live = Live(table);
  SequenceNumber expected = log.Position(table).next;
  if (!live.empty()) expected = live[live.size() > count ? live.size() - count : 0].sequence;
  if (first == expected) return absl::OkStatus();
  return Wrong("table ", table, ": the last ", count, " of ", live.size(), " records begin at ",
               expected, ", not ", first);
}

absl::Status RegionModel::CheckCountFrom(TableId table, uint64_t count,
                                         SequenceNumber first) const {
  const std::vector<StoredRecord> live = Live(table);
  const uint64_t found =
      std::count_if(live.begin(), live.end(),
                    [first](const StoredRecord& record) { return record.sequence >= first; });
  if (found == std::min<uint64_t>(count, live.size())) return absl::OkStatus();
  return Wrong("table ", table, ": ", found, " of ", live.size(), " records from ", first,
               " on, not the last ", count);
}

}  // namespace walden::testing
