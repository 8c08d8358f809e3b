// Errors that every engine gives about what should be in a log (engine/log_engine.h). Any thread.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "engine/types.h"

namespace walden {

// OUT_OF_RANGE (RECORDS_GONE): the next records of a reader were marked deleted. `first_left` is
// the first number that is left in the table or, without a table, in the region's log.
absl::Status RecordsGone(std::optional<TableId> table, SequenceNumber first_left);

// Turns the file system's NOT_FOUND about a file that should be there into DATA_LOSS (CORRUPTION,
// "file"); returns any other status as it is. Only a region may be NOT_FOUND to callers.
absl::Status MissingFile(const absl::Status& status);

// FAILED_PRECONDITION (OWNED_ELSEWHERE, "owner"): another one owns the log, or nobody does (`owner`
// empty), so that it cannot be changed here.
absl::Status OwnedElsewhere(const std::string& owner);

// The records that damage may have cost, for messages: "record 5", "records 5 to 9" or, with `last`
// 0, "no record".
std::string LostRecords(SequenceNumber first, SequenceNumber last);

}  // namespace walden
