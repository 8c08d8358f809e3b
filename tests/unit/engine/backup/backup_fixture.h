// A log in memory that is backed up as a client does it, and what a backup of it must hold.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/backup/region_reader.h"
#include "engine/backup/region_writer.h"
#include "engine/backup/verify.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/log_verbs.h"

namespace walden::backup {

struct SourceTable {
  TableKind kind = TableKind::kLog;
  SequenceNumber next = 1;
  SequenceNumber deleted_through = 0;
  std::map<SequenceNumber, std::string> records;
};

class SourceLog {
 public:
  void Append(TableId table, const std::string& payload, SequenceNumber gap = 0);
  void MarkDeleted(TableId table, SequenceNumber through);
  SourceTable& operator[](TableId table) { return tables_[table]; }

  Cut TakeCut() const;
  // Everything that a copy of it holds, as text.
  std::string Show() const;
  // Adds what the writer lacks, in groups of `group`, and commits.
  absl::Status BackUpInto(RegionWriter& writer, size_t group = 3) const;

 private:
  std::map<TableId, SourceTable> tables_;
};

inline constexpr char kBackup[] = "/backup";
inline constexpr RegionId kRegion = 7;

// Small data files, so that a little data crosses some of them.
RegionTarget TargetOn(FileSystem* disk, RegionId region = kRegion);

// Opens the writer, brings the copy up to date and finishes it.
absl::Status BackUp(FileSystem* disk, const SourceLog& log, RegionId region = kRegion);

// What the finished copy holds, as SourceLog::Show tells it.
std::string ShowBackup(FileSystem* disk, RegionId region = kRegion);
std::string ShowLog(const ReadableLog& log);

absl::StatusOr<RegionVerification> VerifyAll(FileSystem* disk, RegionId region = kRegion);

// Tables with marks, gaps, an entry table, an emptied one, payloads of several sizes.
SourceLog SomeLog();

}  // namespace walden::backup
