// Appends records that were kept elsewhere to a region, with their numbers: gathers them into
// groups of a few MiB, each durable before the next. One thread.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "engine/log_engine.h"

namespace walden {

class RestoreWriter {
 public:
  // `log` outlives it.
  explicit RestoreWriter(RegionLog& log) : log_(log) {}

  // Copies the payload. Consecutive numbers of a table become one batch. Errors as
  // RegionLog::Commit.
  absl::Status Add(TableId table, TableKind kind, SequenceNumber sequence,
                   absl::string_view payload);

  // Commits the gathered records, durably. Records that are not flushed are lost with this object.
  absl::Status Flush();

 private:
  struct Piece {
    size_t begin = 0;
    size_t end = 0;
  };
  struct Gathered {
    TableId table = 0;
    TableKind kind = TableKind::kLog;
    SequenceNumber first = 0;
    std::vector<Piece> payloads;
    size_t bytes = 0;
  };

  RegionLog& log_;
  std::string bytes_;
  std::vector<Gathered> batches_;
  size_t records_ = 0;
};

}  // namespace walden
