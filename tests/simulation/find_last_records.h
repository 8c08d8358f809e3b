// Runs the daemon's search for the last records of a table to its end.
#pragma once

#include <memory>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/log_engine.h"
#include "server/read/last_records.h"

namespace walden::testing {

// Calls `between` before each step, and ends with its error. `count` is at least 1.
inline absl::StatusOr<SequenceNumber> FindLastRecords(const ReadableLog& log, TableId table,
                                                      uint64_t count,
                                                      absl::FunctionRef<absl::Status()> between) {
  const std::shared_ptr<const ReadableLog> not_owned(std::shared_ptr<void>(), &log);
  LastRecordsSearch search(not_owned, table, log.Position(table), count);
  for (;;) {
    if (absl::Status status = between(); !status.ok()) return status;
    const auto first = search.Step();
    if (!first.ok()) return first.status();
    if (first->has_value()) return **first;
  }
}

}  // namespace walden::testing
