// Finds where the last records of a table begin.
#pragma once

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/log_engine.h"

namespace walden {

// The number of the first of the table's last `count` live records, or of its first one if it has
// fewer; Position().next if it has none. Records that are marked deleted meanwhile count as there.
// Numbers may have gaps, so it reads: about twice as many records as are asked for where they lie
// evenly, at most twice the table. Holds eight bytes for each record that is asked for. Calls `go_on`
// now and then, and stops with its error. DATA_LOSS where damage hides how many records there are.
absl::StatusOr<SequenceNumber> FirstOfLastRecords(const ReadableLog& log, TableId table,
                                                  uint64_t count,
                                                  absl::FunctionRef<absl::Status()> go_on);

}  // namespace walden
