#include "engine/io/remove_tree.h"

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace walden {
namespace {

using EntryKind = FileSystem::EntryKind;

absl::Status Unless(bool (*is_fine)(const absl::Status&), const absl::Status& status) {
  return is_fine(status) ? absl::OkStatus() : status;
}

absl::Status RemoveEntries(FileSystem* files, const std::string& directory) {
  const auto names = files->ListDirectory(directory);
  if (!names.ok()) return Unless(absl::IsNotFound, names.status());
  absl::Status first_error;
  for (const std::string& name : *names) {
    const std::string child = absl::StrCat(directory, "/", name);
    const absl::StatusOr<EntryKind> kind = files->KindOf(child);
    if (!kind.ok()) {
      first_error.Update(Unless(absl::IsNotFound, kind.status()));
    } else if (*kind == EntryKind::kDirectory) {
      first_error.Update(RemoveTree(files, child));
    } else {
      first_error.Update(Unless(absl::IsNotFound, files->RemoveFile(child)));
    }
  }
  return first_error;
}

}  // namespace

absl::Status RemoveTree(FileSystem* files, const std::string& path) {
  const absl::StatusOr<EntryKind> kind = files->KindOf(path);
  if (!kind.ok()) return Unless(absl::IsNotFound, kind.status());
  if (*kind == EntryKind::kFile || *kind == EntryKind::kOther) {
    return Unless(absl::IsNotFound, files->RemoveFile(path));
  }
  const absl::Status status = RemoveEntries(files, path);
  // A directory that is not empty cannot be removed, and that error would hide this one.
  if (!status.ok()) return status;
  return Unless(absl::IsNotFound, *kind == EntryKind::kDirectory ? files->RemoveDirectory(path)
                                                                 : files->RemoveFile(path));
}

}  // namespace walden
