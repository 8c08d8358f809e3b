// Errors that every engine gives about what should be in a log (engine/log_engine.h). Any thread.
#pragma once

#include <optional>

#include "absl/status/status.h"
#include "engine/types.h"

namespace walden {

// OUT_OF_RANGE (RECORDS_GONE): the next records of a reader were marked deleted. `first_left` is
// the first number that is left of the table; without a table, the lowest one of the region's log.
absl::Status RecordsGone(std::optional<TableId> table, SequenceNumber first_left);

// DATA_LOSS (CORRUPTION, "file") for the file system's NOT_FOUND about a file that should be there;
// any other status as it is. Of a log nothing may be NOT_FOUND but a region.
absl::Status MissingFile(const absl::Status& status);

}  // namespace walden
