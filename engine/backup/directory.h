// A backup's directory: whose it is, which regions it has, and who writes it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/backup/manifest.h"
#include "engine/io/file_system.h"

namespace walden::backup {

// Takes the lock that it returns, and makes the directory if there is none (not its parents).
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

// NOT_FOUND if it is not there or is no backup; DATA_LOSS as ReadCheckedJson.
absl::StatusOr<BackupContents> ListBackup(FileSystem* files, const std::string& backup_directory);

// For those who read a backup: so that nobody writes it meanwhile. Null where no lock file can be
// made, as on a medium that nobody can write. FAILED_PRECONDITION (LOCKED) as above.
absl::StatusOr<std::unique_ptr<DirectoryLock>> LockForReading(FileSystem* files,
                                                              const std::string& backup_directory);

}  // namespace walden::backup
