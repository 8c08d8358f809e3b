// One region of a backup, which CopyRegion copies from. Any thread; each reader is used by one
// thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/backup/manifest.h"
#include "engine/io/file_system.h"
#include "engine/log_engine.h"

namespace walden::backup {

// The place of a run.
struct PlacedRun {
  uint64_t file = 0;    // number
  uint64_t offset = 0;  // of its first record
  Run run;
};
using RunsByTable = std::map<TableId, std::vector<PlacedRun>>;

class RegionReader final : public ReadableLog {
 public:
  // `files` outlives it and its readers. Errors as ReadManifest, and those of reading.
  static absl::StatusOr<std::unique_ptr<RegionReader>> Open(FileSystem* files,
                                                            const std::string& backup_directory,
                                                            RegionId region);

  const Manifest& manifest() const { return manifest_; }
  // Bytes of the runs that hold live records.
  uint64_t live_bytes() const { return live_bytes_; }

  SequenceNumber NextNumber(TableId table) const override;
  TablePosition Position(TableId table) const override;
  // A reader of one table: `range.table` is set. The reader returns DATA_LOSS (CORRUPTION), with
  // file and offset, for bytes that are not what was copied.
  absl::StatusOr<std::unique_ptr<LogReader>> NewReader(const ReadRange& range) const override;
  std::unique_ptr<TableCut> CutTables() const override;
  RegionPage DescribePage(const DescribeCursor& from, size_t limit) const override;
  // The first live record: a backup holds no append times.
  absl::StatusOr<SequenceNumber> FirstSince(TableId table, absl::Time) const override {
    return Position(table).first;
  }

 private:
  RegionReader(FileSystem* files, std::string directory, Manifest manifest);

  absl::Status FindFirstRecords();

  FileSystem* const files_;
  const std::string directory_;
  const Manifest manifest_;
  std::shared_ptr<const RunsByTable> runs_;
  std::map<TableId, SequenceNumber> first_live_;  // of tables that have live records
  uint64_t live_bytes_ = 0;
};

}  // namespace walden::backup
