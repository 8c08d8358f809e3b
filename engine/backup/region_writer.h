// Writes one region's part of a backup (FORMAT.md). A writer goes on where an earlier run stopped:
// to continue a backup and to bring it up to date are the same.
//
// Until Commit the region's last finished copy stays whole. Records that were added after it
// survive a kill, and the next Open finds them. One thread, one writer at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "engine/backup/data_reader.h"
#include "engine/backup/manifest.h"
#include "engine/io/file_system.h"
#include "engine/log_engine.h"
#include "engine/segment/record_writer.h"

namespace walden::backup {

struct RegionTarget {
  FileSystem* file_system = nullptr;  // outlives the writer
  std::string backup_directory;       // exists
  Identity identity;
  RegionId region = 0;
  uint64_t max_data_file_bytes = 0;  // 0: kMaxDataFileBytes
};

// The state of the region at one moment, which a backup copies.
struct Cut {
  std::string engine;
  std::string taken_at;
  bool exact = true;
  uint64_t region_version = 0;
  std::vector<TableState> tables;   // ordered by table
  std::vector<TableDamage> damage;  // met while copying this cut
};

class RegionWriter {
 public:
  // Makes the region's directory if there is none. Otherwise reads the records that no finished
  // copy covers, cuts off bytes after the last whole record, and makes the rest durable, even if
  // syncs of earlier runs failed.
  //   FAILED_PRECONDITION  WRONG_BACKUP: the directory is of another namespace or region
  //   DATA_LOSS            a file that the last copy consists of is gone or too short
  static absl::StatusOr<std::unique_ptr<RegionWriter>> Open(RegionTarget target);

  struct Copied {
    SequenceNumber through = 0;  // the last record of a table that is here; 0 = none
    uint32_t crc = 0;            // of its payload
  };
  Copied CopiedOf(TableId table) const;
  // The last record of a table in the last finished copy.
  Copied FinishedOf(TableId table) const;

  // FAILED_PRECONDITION (WRONG_BACKUP) if `cut` cannot be a later state of the log that is here:
  // numbers or marks went back, a table is gone or is of another kind.
  absl::Status CheckContinues(const Cut& cut) const;

  // Adds records. Those of each table come in rising order after CopiedOf. After an error the
  // writer cannot be used any more.
  absl::Status Add(absl::Span<const RecordView> records);

  // Makes the added records durable, then makes the cut the region's finished copy, then removes
  // data files that hold nothing live. Every live record of the cut must be here. The writer cannot
  // be used after it.
  absl::Status Commit(const Cut& cut);

  bool has_finished() const { return has_finished_; }
  uint64_t added_records() const { return added_records_; }
  uint64_t added_payload_bytes() const { return added_payload_bytes_; }
  // Found at Open: records behind the last finished copy, and bytes that were cut off.
  uint64_t found_records() const { return found_records_; }
  uint64_t cut_bytes() const { return cut_bytes_; }
  const Manifest& manifest() const { return manifest_; }  // after Commit: the new one

 private:
  explicit RegionWriter(RegionTarget target);

  absl::Status Prepare();
  absl::Status CheckIdentity() const;
  absl::Status FindFiles();
  absl::Status CheckFinished(const std::vector<uint64_t>& numbers) const;
  absl::Status ScanUnfinished(const std::vector<uint64_t>& numbers);
  // Reads a file; false if records are missing after those that were read, so that later ones do
  // not count.
  absl::StatusOr<bool> ScanFile(DataFile& file);
  absl::Status WriteLastAgain();
  absl::Status RemoveFile(uint64_t number);
  bool Note(const RecordView& record, DataFile& file);
  absl::Status StartFile();
  absl::Status CloseFile();
  std::string Path(uint64_t number) const;
  Manifest Describe(const Cut& cut) const;
  absl::Status WrongBackup(absl::string_view what) const;

  const RegionTarget target_;
  const std::string directory_;
  FileSystem* const files_;
  bool has_finished_ = false;
  Manifest manifest_;                // the last finished copy
  std::vector<DataFile> data_;       // all there is, ordered by number; records go to the last one
  std::unique_ptr<File> file_;       // the last one of `data_`, if it is open for writing
  bool last_is_open_ended_ = false;  // the last one of `data_` may grow
  uint64_t next_file_ = 0;
  absl::flat_hash_map<TableId, Copied> copied_;
  segment::RecordWriter encoder_;
  uint64_t added_records_ = 0;
  uint64_t added_payload_bytes_ = 0;
  uint64_t found_records_ = 0;
  uint64_t cut_bytes_ = 0;
};

}  // namespace walden::backup
