#include "server/daemon/data_directory.h"

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "server/log/logging.h"

namespace walden {
namespace {

std::string ParentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Makes the directory if it does not exist. Its name is then durable when this returns OK.
absl::Status CreateDurably(FileSystem* file_system, const std::string& path) {
  const bool is_there = file_system->KindOf(path).ok();
  absl::Status status = file_system->CreateDirectory(path);
  if (!status.ok()) return status;
  status = file_system->SyncDirectory(ParentOf(path));
  if (status.ok()) return status;
  if (is_there) {
    // An earlier start may have failed to sync the name. The daemon may lack the right to open the
    // directory above, so an error is only logged.
    Log(LogSeverity::kDebug, "a directory's name could not be synced",
        {{"directory", path}, {"error", status.message()}});
    return absl::OkStatus();
  }
  // Removed, so that the next attempt does not take the name for durable.
  status.Update(file_system->RemoveDirectory(path));
  return status;
}

absl::Status CreateWithParents(FileSystem* file_system, const std::string& path) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    const std::string parent = path.substr(0, slash);
    if (parent == "." || parent == "..") continue;
    if (absl::Status status = CreateDurably(file_system, parent); !status.ok()) return status;
  }
  return CreateDurably(file_system, path);
}

void Tighten(const std::string& path, Access access) {
  const absl::StatusOr<bool> tightened = TightenDirectory(path, access);
  if (tightened.ok() && *tightened) {
    Log(LogSeverity::kInfo, "a directory was open to other users, and is no longer",
        {{"directory", path}});
  } else if (!tightened.ok() && !absl::IsNotFound(tightened.status())) {
    Log(LogSeverity::kWarning, "other users may be able to read a directory with data",
        {{"directory", path}, {"error", tightened.status().message()}});
  }
}

}  // namespace

absl::Status PrepareDataDirectory(FileSystem* file_system, const DataDirectoryOptions& options) {
  const absl::Status status = CreateWithParents(file_system, options.path);
  if (!status.ok()) return WithContext(status, "data_dir");
  if (!options.group.empty()) {
    const absl::Status given = GiveToGroup(options.path, options.group);
    if (absl::IsInvalidArgument(given)) return given;
    if (!given.ok()) {
      Log(LogSeverity::kWarning, "the data directory could not be given to its group",
          {{"data_group", options.group}, {"error", given.message()}});
    }
  }
  const Access access = AccessFor(options.group);
  Tighten(options.path, access);
  for (const std::string& name : options.namespaces) {
    Tighten(absl::StrCat(options.path, "/", name), access);
  }
  return absl::OkStatus();
}

}  // namespace walden
