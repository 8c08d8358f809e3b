// Checks the answers of a region with a quarantined range. Every record that was there and is not
// marked deleted is read unchanged, or the read is DATA_LOSS. No record is missing from a read that
// is OK, and no number is given out twice.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "absl/status/status.h"
#include "engine/log_engine.h"
#include "tests/simulation/region_model.h"
#include "tests/support/log_verbs.h"

namespace walden::testing {

class DamagedRegion {
 public:
  // `model`: the region when it was damaged.
  explicit DamagedRegion(const RegionModel& model);

  // Compares everything that the open region says. `was_harmed`: more bytes were damaged since the
  // last call; otherwise no record is lost that was read then.
  absl::Status Compare(const RegionLog& log, bool was_harmed);

  // Verifies the region: damage that costs records is reported.
  absl::Status Verify(const RegionLog& log) const;

  // Finds the last `count` records of the table: the right ones, or DATA_LOSS.
  absl::Status FindLast(const RegionLog& log, TableId table, uint64_t count) const;

  // Appends a record to the table; a number that was given out before must be refused.
  absl::Status Append(RegionLog& log, TableId table, const std::string& payload);

  // Marks the table deleted through a number that was given out.
  absl::Status Mark(RegionLog& log, TableId table, SequenceNumber through);

  // Marks the table deleted before a time, which must spare every record from that time on.
  absl::Status MarkBefore(RegionLog& log, TableId table, int64_t unix_micros);

  // Deletes what retention of this age plans, which must spare the same records.
  absl::Status Retain(RegionLog& log, int64_t unix_micros);

  // Marks every table deleted of which all can be read.
  absl::Status MarkSoundTables(RegionLog& log);

  std::vector<TableId> Tables() const;
  SequenceNumber Highest(TableId table) const { return tables_.at(table).highest; }

 private:
  struct Table {
    std::vector<StoredRecord> live;
    SequenceNumber mark = 0;
    SequenceNumber highest = 0;
    std::set<SequenceNumber> lost;               // those of `live` that are DATA_LOSS
    std::map<SequenceNumber, int64_t> appended;  // at this time or later; none: after the damage
  };
  // No record from this time on is below `first`.
  absl::Status CheckSpared(TableId id, int64_t unix_micros, SequenceNumber first) const;
  static absl::Status CompareTable(const RegionLog& log, TableId id, Table& table, bool was_harmed);
  static absl::Status CompareRecords(const RegionLog& log, TableId id, Table& table,
                                     bool was_harmed);

  std::map<TableId, Table> tables_;
};

}  // namespace walden::testing
