#include "engine/backup/directory.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/backup/backup_format.h"

namespace walden::backup {
namespace {

absl::Status WrongBackup(const std::string& directory, absl::string_view what) {
  return MakeError(
      absl::StatusCode::kFailedPrecondition, ErrorReason::kWrongBackup,
      absl::StrCat(directory, " ", what, ". Give an empty or new directory, or that of a backup"),
      {{"directory", directory}});
}

// A new backup begins only in an empty directory.
absl::Status CheckEmpty(FileSystem* files, const std::string& directory) {
  const auto names = files->ListDirectory(directory);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    if (name == "LOCK" || name == absl::StrCat(kIdentityFile, kTemporarySuffix)) continue;
    return WrongBackup(directory, absl::StrCat("is no backup, and holds ", name));
  }
  return absl::OkStatus();
}

absl::string_view ParentOf(absl::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == absl::string_view::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

absl::StatusOr<std::unique_ptr<DirectoryLock>> OpenForBackup(FileSystem* files,
                                                             const std::string& backup_directory,
                                                             const Identity& identity) {
  absl::Status status = files->CreateDirectory(backup_directory);
  if (status.ok()) status = files->SyncDirectory(std::string(ParentOf(backup_directory)));
  if (!status.ok()) return status;
  const auto known = ReadIdentity(files, backup_directory);
  if (absl::IsNotFound(known.status())) {
    // The check comes first, so that no lock file is left in a directory with other files.
    status = CheckEmpty(files, backup_directory);
    if (!status.ok()) return status;
  } else if (!known.ok()) {
    return known.status();
  } else if (known->namespace_id != identity.namespace_id ||
             known->namespace_name != identity.namespace_name) {
    return WrongBackup(
        backup_directory,
        absl::StrCat("is a backup of namespace ", known->namespace_name, " (id ",
                     known->namespace_id, ", of the daemon at ", known->address,
                     "), not of namespace ", identity.namespace_name, " (id ",
                     identity.namespace_id, ", of the daemon at ", identity.address, ")"));
  }
  auto lock = files->LockDirectory(backup_directory);
  if (!lock.ok()) return lock.status();
  if (known.ok()) {
    // The process that wrote the file may have failed to sync its name.
    status = files->SyncDirectory(backup_directory);
    if (!status.ok()) return status;
    return lock;
  }
  status = WriteIdentity(files, backup_directory, identity);
  if (!status.ok()) return status;
  return lock;
}

absl::StatusOr<BackupContents> ListBackup(FileSystem* files, const std::string& backup_directory) {
  auto identity = ReadIdentity(files, backup_directory);
  if (absl::IsNotFound(identity.status())) {
    return MakeError(absl::StatusCode::kNotFound, ErrorReason::kNotFound,
                     absl::StrCat(backup_directory, " is no backup: there is no ", kIdentityFile),
                     {{"directory", backup_directory}});
  }
  if (!identity.ok()) return identity.status();
  const auto names = files->ListDirectory(backup_directory);
  if (!names.ok()) return names.status();
  BackupContents contents{.identity = *std::move(identity)};
  for (const std::string& name : *names) {
    RegionId region = 0;
    if (!ParseNumbered(name, kRegionPrefix, &region)) continue;
    const auto inside = files->ListDirectory(RegionDirectory(backup_directory, region));
    if (!inside.ok()) return inside.status();
    const bool finished = std::find(inside->begin(), inside->end(), kManifestFile) != inside->end();
    (finished ? contents.regions : contents.unfinished).push_back(region);
  }
  std::sort(contents.regions.begin(), contents.regions.end());
  std::sort(contents.unfinished.begin(), contents.unfinished.end());
  return contents;
}

absl::StatusOr<std::unique_ptr<DirectoryLock>> LockForReading(FileSystem* files,
                                                              const std::string& backup_directory) {
  auto lock = files->LockDirectory(backup_directory);
  if (lock.ok() || HasReason(lock.status(), ErrorReason::kLocked)) return lock;
  // No process can make a lock file there, so none can write a backup.
  return nullptr;
}

}  // namespace walden::backup
