// Checks every byte of a region of a backup against its checksums. Changes nothing; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "engine/backup/manifest.h"
#include "engine/io/file_system.h"
#include "engine/log_engine.h"

namespace walden::backup {

struct RegionVerification {
  uint64_t files = 0;
  uint64_t bytes = 0;  // of data files, all of them checked
  uint64_t tables = 0;
  uint64_t records = 0;           // all that are there
  uint64_t live_records = 0;      // those that a restore brings back
  uint64_t payload_bytes = 0;     // of live ones
  uint64_t unfinished_bytes = 0;  // behind the last finished copy: of a backup that was stopped
  // Files are relative to the backup's directory. The reason names the table of the numbers.
  std::vector<DamagedRange> findings;
  Manifest manifest;  // if it could be read
};

// `progress` is called after every few MiB with the bytes checked since the last call; it returns
// false to stop (CANCELLED).
//   NOT_FOUND    the region has no finished copy
//   UNAVAILABLE  a file cannot be read
// Damage is in the result, that of the manifest too.
absl::StatusOr<RegionVerification> VerifyRegion(FileSystem* files,
                                                const std::string& backup_directory,
                                                RegionId region,
                                                absl::FunctionRef<bool(uint64_t bytes)> progress);

}  // namespace walden::backup
