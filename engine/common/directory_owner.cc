#include "engine/common/directory_owner.h"

#include <algorithm>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/types.h"

namespace walden {
namespace {

bool Has(const std::vector<std::string>& names, absl::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool IsRegionName(absl::string_view name) {
  RegionId region = 0;
  return absl::SimpleAtoi(name, &region) && absl::StrCat(region) == name;
}

absl::Status WrongEngine(const std::string& directory, absl::string_view message) {
  return MakeError(absl::StatusCode::kFailedPrecondition, ErrorReason::kWrongEngine,
                   absl::StrCat(directory, " ", message), {{"directory", directory}});
}

absl::Status CheckNotBetweenRenames(FileSystem* files, const std::string& data_directory,
                                    const std::string& namespace_name) {
  const auto names = files->ListDirectory(data_directory);
  if (!names.ok()) return names.status();
  const std::string built = absl::StrCat(namespace_name, kMigratingSuffix);
  const std::string old = absl::StrCat(namespace_name, kBeforeMigrationSuffix);
  if (Has(*names, namespace_name) || !Has(*names, built) || !Has(*names, old)) {
    return absl::OkStatus();
  }
  return WrongEngine(
      absl::StrCat(data_directory, "/", namespace_name),
      absl::StrCat("is not there: a migration was interrupted between ", old, " and ", built,
                   ". Run the same `walden migrate` again, it finishes the swap"));
}

}  // namespace

absl::string_view DirectoryOwnerName(DirectoryOwner engine) {
  switch (engine) {
    case DirectoryOwner::kNone:
      return "nothing";
    case DirectoryOwner::kSegment:
      return "segment";
    case DirectoryOwner::kRocksdb:
      return "rocksdb";
  }
  return "unknown";
}

absl::StatusOr<DirectoryOwner> DetectDirectoryOwner(FileSystem* files,
                                                    const std::string& directory) {
  const auto names = files->ListDirectory(directory);
  if (absl::IsNotFound(names.status())) return DirectoryOwner::kNone;
  if (!names.ok()) return names.status();
  // A RocksDB that lost its CURRENT is still a RocksDB.
  const bool is_rocksdb = Has(*names, "CURRENT") || Has(*names, "walden_files");
  const bool is_segment = std::any_of(names->begin(), names->end(), IsRegionName);
  if (is_rocksdb && is_segment) {
    return WrongEngine(
        directory,
        "holds both a RocksDB (CURRENT, walden_files) and directories of regions: move away "
        "whichever of the two does not belong there");
  }
  return is_rocksdb   ? DirectoryOwner::kRocksdb
         : is_segment ? DirectoryOwner::kSegment
                      : DirectoryOwner::kNone;
}

absl::Status CheckNotRestoring(FileSystem* files, const std::string& directory) {
  const auto names = files->ListDirectory(directory);
  if (absl::IsNotFound(names.status())) return absl::OkStatus();
  if (!names.ok()) return names.status();
  if (!Has(*names, kRestoringFile)) return absl::OkStatus();
  return WrongEngine(
      directory, absl::StrCat("is not whole: a restore into it was interrupted (", kRestoringFile,
                              " names it). Run the same `walden restore` again, it "
                              "goes on from there"));
}

absl::Status CheckDirectoryOwner(FileSystem* files, const std::string& data_directory,
                                 const std::string& namespace_name, DirectoryOwner wanted) {
  const std::string directory = absl::StrCat(data_directory, "/", namespace_name);
  const absl::StatusOr<DirectoryOwner> stored = DetectDirectoryOwner(files, directory);
  if (!stored.ok()) return stored.status();
  if (*stored == DirectoryOwner::kNone) {
    return CheckNotBetweenRenames(files, data_directory, namespace_name);
  }
  if (*stored == wanted) return absl::OkStatus();
  const absl::string_view has = DirectoryOwnerName(*stored);
  const absl::string_view name = DirectoryOwnerName(wanted);
  return WrongEngine(
      directory,
      absl::StrCat("was written by engine ", has, " and cannot be opened by engine ", name,
                   ": set `engine: ", has,
                   "` for the namespace, or move it with `walden migrate "
                   "--data-dir ",
                   data_directory, " --namespace ", namespace_name, " --to ", name, "`"));
}

}  // namespace walden
