// A backup's directory: its lock, its identity and its regions.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/backup/manifest.h"
#include "engine/io/file_system.h"

namespace walden::backup {

// Locks a backup's directory for writing. Makes the directory if there is none (not its parents).
//   FAILED_PRECONDITION  LOCKED: another backup writes it, and which process; WRONG_BACKUP: it is
//                        of another namespace, or holds something that is no backup
absl::StatusOr<std::unique_ptr<DirectoryLock>> OpenForBackup(FileSystem* files,
                                                             const std::string& backup_directory,
                                                             const Identity& identity);

struct BackupContents {
  Identity identity;
  std::vector<RegionId> regions;     // with a finished copy, sorted
  std::vector<RegionId> unfinished;  // begun, without one
};

// Lists a backup's regions. NOT_FOUND if there is no backup; DATA_LOSS as ReadCheckedJson.
absl::StatusOr<BackupContents> ListBackup(FileSystem* files, const std::string& backup_directory);

// Locks a backup against writers while it is read. Null where no lock file can be made, as on a
// read-only medium. FAILED_PRECONDITION (LOCKED) as above.
absl::StatusOr<std::unique_ptr<DirectoryLock>> LockForReading(FileSystem* files,
                                                              const std::string& backup_directory);

}  // namespace walden::backup
