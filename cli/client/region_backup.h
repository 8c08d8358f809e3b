// Copies one region of a running daemon into its part of a backup, while it is written.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cli/client/connection.h"
#include "cli/console/json.h"
#include "engine/backup/region_writer.h"

namespace walden::cli {

struct RegionBackupOptions {
  uint32_t namespace_id = 0;
  uint64_t region = 0;
  // Passes over damaged ranges and names them in the cut; otherwise damage is DATA_LOSS.
  bool skip_damaged = false;
};

// One thread at a time.
class RegionBackup {
 public:
  // Both outlive it. `progress` is called after every message.
  RegionBackup(Connection& connection, backup::RegionWriter& writer,
               const RegionBackupOptions& options, absl::FunctionRef<void()> progress)
      : connection_(connection), writer_(writer), options_(options), progress_(progress) {}

  // Adds to the writer what it lacks and returns the cut to be committed.
  //
  // The cut is what the daemon says of all tables at one moment. Records that are marked deleted
  // after it may be gone before they are copied; so when marks have risen meanwhile, a new cut is
  // taken and what has come since is copied, until no mark rises any more. A region in which marks
  // never rest gets, after some rounds, the marks of the end instead (Cut::exact is false): never
  // lower than what was not copied.
  //   FAILED_PRECONDITION  WRONG_BACKUP: the region is not the one that the writer has a copy of,
  //                        or has not stayed the one of which the cut was taken
  absl::StatusOr<backup::Cut> Run();

 private:
  absl::StatusOr<backup::Cut> TakeCut();
  absl::StatusOr<v1::RegionState> ReadState();
  absl::Status CopyTables(const backup::Cut& cut);
  absl::Status CopyTable(const TableState& table);
  absl::Status Stream(const TableState& table, SequenceNumber from);
  absl::Status TakeRecords(const TableState& table, const v1::RecoverResponse& message);
  absl::Status CheckSameLog(const TableState& table);
  absl::Status PassDamage(const TableState& table, const absl::Status& data_loss,
                          SequenceNumber& from);
  absl::Status CheckWhole(const backup::Cut& cut, const backup::Cut& later) const;
  absl::Status OtherLog(const TableState& table, absl::string_view what) const;

  Connection& connection_;
  backup::RegionWriter& writer_;
  const RegionBackupOptions options_;
  absl::FunctionRef<void()> progress_;
  bool first_round_ = true;
  bool is_damaged_ = false;  // the region was opened with damage
  std::vector<backup::TableDamage> damage_;
  std::map<TableId, SequenceNumber> passed_;  // through here damage was passed over
  backup::RegionWriter::Copied expected_;     // the record that must come first; none if 0
  std::vector<RecordView> views_;
};

}  // namespace walden::cli
