// Checks the answers of a region with a quarantined range. Every record that was there and is not
// marked deleted is read unchanged, or the read is DATA_LOSS. No record is missing from a read that
// is OK, and no number is given out twice.
#pragma once

#include <map>
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

  // Compares everything that the open region says.
  absl::Status Compare(const RegionLog& log) const;

  // Appends a record to the table; a number that was given out before must be refused.
  absl::Status Append(RegionLog& log, TableId table, const std::string& payload);

  // Marks the table deleted through a number that was given out.
  absl::Status Mark(RegionLog& log, TableId table, SequenceNumber through);

  // Marks every table deleted of which all can be read.
  absl::Status MarkSoundTables(RegionLog& log);

  std::vector<TableId> Tables() const;
  SequenceNumber Highest(TableId table) const { return tables_.at(table).highest; }

 private:
  struct Table {
    std::vector<StoredRecord> live;
    SequenceNumber mark = 0;
    SequenceNumber highest = 0;
  };
  absl::Status CompareTable(const RegionLog& log, TableId id, const Table& table) const;

  std::map<TableId, Table> tables_;
};

}  // namespace walden::testing
