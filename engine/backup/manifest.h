// The descriptions in a backup (FORMAT.md). The identity names the namespace that was backed up;
// each region's manifest lists its tables and where their records lie. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/io/file_system.h"
#include "engine/log_engine.h"
#include "engine/types.h"

namespace walden::backup {

// The namespace that a backup was made of, in backup.json.
struct Identity {
  NamespaceId namespace_id = 0;
  std::string namespace_name;
  std::string address;  // of the daemon at the first backup; for people
};

// Errors as ReadCheckedJson.
absl::StatusOr<Identity> ReadIdentity(FileSystem* files, const std::string& backup_directory);
absl::Status WriteIdentity(FileSystem* files, const std::string& backup_directory,
                           const Identity& identity);

// Records of one table that follow each other in a data file.
struct Run {
  TableId table = 0;
  SequenceNumber first = 0;  // inclusive
  SequenceNumber last = 0;   // inclusive
  uint64_t records = 0;
  uint64_t payload_bytes = 0;

  uint64_t encoded_bytes() const;
};

struct DataFile {
  uint64_t number = 0;
  uint64_t bytes = 0;  // from the start of the file; bytes after them are not part of the copy
  uint32_t crc = 0;    // CRC-32C of those
  std::vector<Run> runs;
};

struct TableCopy {
  TableId table = 0;
  TableKind kind = TableKind::kLog;
  SequenceNumber next = 1;
  SequenceNumber deleted_through = 0;
  // The last record of the table that was ever copied, and the CRC-32C of its payload, to recognise
  // another log with the same ids. Both are 0 if no record was copied.
  SequenceNumber copied_through = 0;
  uint32_t copied_crc = 0;
};

struct TableDamage {
  TableId table = 0;
  DamagedRange range;
};

// A region's copy: every live record of `tables`, those above deleted_through and below next.
struct Manifest {
  NamespaceId namespace_id = 0;
  std::string namespace_name;
  RegionId region = 0;
  std::string engine;  // that it was copied from
  uint64_t region_version = 0;
  std::string taken_at;  // when the cut was, RFC 3339
  // Whether the marks are those of the cut; otherwise they are a little later
  // (docs/operators/backup.md).
  bool exact = true;
  std::vector<TableCopy> tables;    // ordered by table
  std::vector<TableDamage> damage;  // left out by --skip-damaged
  std::vector<DataFile> files;      // ordered by number
  uint64_t next_file = 0;           // higher than the number of any data file so far

  uint32_t crc = 0;  // of the file that it was read from

  const TableCopy* Find(TableId table) const;
};

// Reads a region's manifest. NOT_FOUND if the region has no finished copy; otherwise errors as
// ReadCheckedJson.
absl::StatusOr<Manifest> ReadManifest(FileSystem* files, const std::string& region_directory,
                                      FileSystem::OpenMode mode = FileSystem::OpenMode::kReadOnly);
absl::Status WriteManifest(FileSystem* files, const std::string& region_directory,
                           const Manifest& manifest);

std::string RegionDirectory(const std::string& backup_directory, RegionId region);
std::string DataFileName(uint64_t number);
// Parses a name that is `prefix` and a number; false for other names.
bool ParseNumbered(absl::string_view name, absl::string_view prefix, uint64_t* number);

}  // namespace walden::backup
