// Finds where the last records of a table begin.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/log_engine.h"

namespace walden {

// Numbers may have gaps, so the search reads records: about twice as many as are asked for where they
// lie evenly, and at most about twice the table. It works in steps of bounded length, and its memory
// does not grow with the number of records. One thread at a time.
class LastRecordsSearch {
 public:
  // Searches below `position`, which is the table's. `count` is at least 1. `log` is kept until the
  // search is destroyed.
  LastRecordsSearch(std::shared_ptr<const ReadableLog> log, TableId table,
                    const TablePosition& position, uint64_t count);

  // Searches on. Returns the number of the first of the last `count` live records, or of the first
  // one if there are fewer; `position.next` if there is none; nullopt if the search is not at its
  // end. Records that are marked deleted meanwhile may count as there. DATA_LOSS where damage hides
  // how many records there are. Not to be called again after a number or an error.
  absl::StatusOr<std::optional<SequenceNumber>> Step();

 private:
  void SearchIn(SequenceNumber first, SequenceNumber last);
  void Visit(SequenceNumber number);
  void Widen();
  std::optional<SequenceNumber> AfterRange();

  const std::shared_ptr<const ReadableLog> log_;
  const TablePosition position_;
  uint64_t wanted_;  // the first of the last so many records of the range is looked for
  uint64_t window_;  // numbers of the range; 0: it lies between two marks, and has enough records
  ReadRange range_;
  std::unique_ptr<LogReader> reader_;  // of the range; null: not begun

  // Of the range's records so far. Every stride_-th number is marked, from the record at index_ on,
  // which is the last one that can be marked and not lie behind the record that is looked for.
  uint64_t seen_ = 0;
  uint64_t index_ = 0;
  uint64_t stride_ = 1;
  std::deque<SequenceNumber> marks_;
};

}  // namespace walden
