// The FileSystem calls of FaultFileSystem. Open files are in fault_file_system_handles.cc, what
// goes wrong in fault_file_system_faults.cc.
#include "tests/support/fault_file_system.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/error.h"
#include "tests/support/fault_file_system_node.h"

namespace walden::testing {
namespace {

std::string BaseName(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

absl::string_view FileOpName(FileOps operation) {
  switch (operation) {
    case file_op::kCreate:
      return "create";
    case file_op::kOpen:
      return "open";
    case file_op::kRead:
      return "read";
    case file_op::kWrite:
      return "write";
    case file_op::kSync:
      return "fdatasync";
    case file_op::kAllocate:
      return "allocate";
    case file_op::kRename:
      return "rename";
    case file_op::kRemove:
      return "remove";
    case file_op::kSyncDirectory:
      return "fsync directory";
    case file_op::kList:
      return "list directory";
    case file_op::kMap:
      return "map";
    case file_op::kCreateDirectory:
      return "create directory";
    case file_op::kLock:
      return "lock";
    default:
      return "operation";
  }
}

absl::Status FileError(int error_number, absl::string_view operation, const std::string& path) {
  const std::string message =
      absl::StrCat(operation, " ", path, ": ", std::strerror(error_number), " (simulated)");
  absl::StatusCode code = absl::StatusCode::kUnavailable;
  ErrorReason reason = ErrorReason::kIoError;
  switch (error_number) {
    case ENOENT:
      code = absl::StatusCode::kNotFound;
      reason = ErrorReason::kNotFound;
      break;
    case EEXIST:
      code = absl::StatusCode::kAlreadyExists;
      break;
    case ENOSPC:
    case EDQUOT:
      code = absl::StatusCode::kResourceExhausted;
      reason = ErrorReason::kDiskFull;
      break;
    case EMFILE:
    case ENFILE:
      code = absl::StatusCode::kResourceExhausted;
      reason = ErrorReason::kTooManyFiles;
      break;
    default:
      break;
  }
  return MakeError(code, reason, message,
                   {{"path", path},
                    {"operation", std::string(operation)},
                    {"errno", absl::StrCat(error_number)}});
}

class FaultFileSystem::HeldLock final : public DirectoryLock {
 public:
  HeldLock(FaultFileSystem* disk, std::string path, NodePtr directory, uint64_t process)
      : disk_(disk), path_(std::move(path)), directory_(std::move(directory)), process_(process) {}

  ~HeldLock() override {
    absl::MutexLock lock(&disk_->mu_);
    if (process_ == disk_->process_) directory_->locked = false;
  }

  absl::Status CheckInPlace() const override {
    absl::MutexLock lock(&disk_->mu_);
    if (disk_->Find(path_) == directory_) return absl::OkStatus();
    return MakeError(absl::StatusCode::kDataLoss, ErrorReason::kCorruption,
                     absl::StrCat(path_, " is another directory by now"), {{"file", path_}});
  }

 private:
  FaultFileSystem* const disk_;
  const std::string path_;
  const NodePtr directory_;
  const uint64_t process_;
};

// ---------------------------------------------------------------------------------------------------
// Names

FaultFileSystem::NodePtr FaultFileSystem::Find(const std::string& path) const {
  NodePtr node = root_;
  for (absl::string_view part : absl::StrSplit(path, '/', absl::SkipEmpty())) {
    if (!node->is_directory) return nullptr;
    const auto entry = node->entries.find(std::string(part));
    if (entry == node->entries.end()) return nullptr;
    node = entry->second;
  }
  return node;
}

FaultFileSystem::NodePtr FaultFileSystem::FindParent(const std::string& path) const {
  const size_t slash = path.rfind('/');
  NodePtr parent = slash == std::string::npos ? root_ : Find(path.substr(0, slash));
  return parent != nullptr && parent->is_directory ? parent : nullptr;
}

absl::StatusOr<std::unique_ptr<File>> FaultFileSystem::CreateFile(const std::string& path) {
  absl::MutexLock lock(&mu_);
  const NodePtr parent = FindParent(path);
  const auto create = [&] {
    auto node = std::make_shared<Node>(/*directory=*/false);
    parent->ChangeEntries({{BaseName(path), node}});
    return node;
  };
  const bool possible = parent != nullptr && Find(path) == nullptr;
  absl::Status status = Begin(file_op::kCreate, path, [&](Random& random) {
    if (possible && IsCrashing() && random.Percent(50)) create();
  });
  if (!status.ok()) return status;
  if (!possible) return FileError(parent == nullptr ? ENOENT : EEXIST, "create", path);
  return NewHandle(create(), path, OpenMode::kReadWrite);
}

absl::StatusOr<std::unique_ptr<File>> FaultFileSystem::OpenFile(const std::string& path,
                                                                OpenMode mode) {
  if (mode == OpenMode::kReadFromMedium && on_medium_) {
    const auto observer = std::exchange(on_medium_, nullptr);
    observer();
    on_medium_ = observer;
  }
  absl::MutexLock lock(&mu_);
  if (absl::Status status = Begin(file_op::kOpen, path); !status.ok()) return status;
  NodePtr node = Find(path);
  if (node == nullptr) return FileError(ENOENT, "open", path);
  if (node->is_directory) {
    return MakeError(absl::StatusCode::kDataLoss, ErrorReason::kCorruption,
                     absl::StrCat(path, " is a directory where a regular file belongs"),
                     {{"file", path}, {"offset", "0"}});
  }
  return NewHandle(std::move(node), path, mode);
}

absl::StatusOr<std::vector<std::string>> FaultFileSystem::ListDirectory(const std::string& path) {
  absl::MutexLock lock(&mu_);
  if (absl::Status status = Begin(file_op::kList, path); !status.ok()) return status;
  const NodePtr node = Find(path);
  if (node == nullptr) return FileError(ENOENT, "list directory", path);
  if (!node->is_directory) return FileError(ENOTDIR, "list directory", path);
  std::vector<std::string> names;
  for (const auto& [name, entry] : node->entries) names.push_back(name);
  return names;
}

absl::Status FaultFileSystem::CreateDirectory(const std::string& path) {
  absl::MutexLock lock(&mu_);
  const NodePtr parent = FindParent(path);
  const NodePtr existing = Find(path);
  const auto create = [&] {
    parent->ChangeEntries({{BaseName(path), std::make_shared<Node>(/*directory=*/true)}});
  };
  const bool possible = parent != nullptr && existing == nullptr;
  absl::Status status = Begin(file_op::kCreateDirectory, path, [&](Random& random) {
    if (possible && IsCrashing() && random.Percent(50)) create();
  });
  if (!status.ok()) return status;
  if (parent == nullptr) return FileError(ENOENT, "create directory", path);
  if (existing != nullptr) {
    return existing->is_directory ? absl::OkStatus() : FileError(EEXIST, "create directory", path);
  }
  create();
  return absl::OkStatus();
}

absl::Status FaultFileSystem::Rename(const std::string& from, const std::string& to) {
  absl::MutexLock lock(&mu_);
  const NodePtr node = Find(from);
  const NodePtr old_parent = FindParent(from);
  const NodePtr new_parent = FindParent(to);
  const auto rename = [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    if (old_parent == new_parent) {
      new_parent->ChangeEntries({{BaseName(from), nullptr}, {BaseName(to), node}});
    } else {
      new_parent->ChangeEntries({{BaseName(to), node}});
      old_parent->ChangeEntries({{BaseName(from), nullptr}});
      moves_.push_back({node, old_parent, new_parent, BaseName(from), BaseName(to)});
    }
  };
  const bool possible = node != nullptr && new_parent != nullptr && from != to;
  absl::Status status = Begin(file_op::kRename, from, [&](Random& random) {
    if (possible && IsCrashing() && random.Percent(50)) rename();
  });
  if (!status.ok()) return status;
  if (node == nullptr || new_parent == nullptr) return FileError(ENOENT, "rename", from);
  if (VolumeOf(from) != VolumeOf(to)) return FileError(EXDEV, "rename", from);
  if (possible) rename();
  return absl::OkStatus();
}

absl::Status FaultFileSystem::RemoveFile(const std::string& path) {
  absl::MutexLock lock(&mu_);
  const NodePtr node = Find(path);
  const NodePtr parent = FindParent(path);
  const bool possible = node != nullptr && !node->is_directory;
  absl::Status status = Begin(file_op::kRemove, path, [&](Random& random) {
    if (possible && IsCrashing() && random.Percent(50)) {
      parent->ChangeEntries({{BaseName(path), nullptr}});
    }
  });
  if (!status.ok()) return status;
  if (node == nullptr) return FileError(ENOENT, "remove", path);
  if (node->is_directory) return FileError(EISDIR, "remove", path);
  parent->ChangeEntries({{BaseName(path), nullptr}});
  return absl::OkStatus();
}

absl::Status FaultFileSystem::RemoveDirectory(const std::string& path) {
  absl::MutexLock lock(&mu_);
  if (absl::Status status = Begin(file_op::kRemove, path); !status.ok()) return status;
  const NodePtr node = Find(path);
  if (node == nullptr || node == root_) return FileError(ENOENT, "remove directory", path);
  if (!node->is_directory) return FileError(ENOTDIR, "remove directory", path);
  if (!node->entries.empty()) return FileError(ENOTEMPTY, "remove directory", path);
  FindParent(path)->ChangeEntries({{BaseName(path), nullptr}});
  return absl::OkStatus();
}

absl::Status FaultFileSystem::SyncDirectory(const std::string& path) {
  absl::MutexLock lock(&mu_);
  if (absl::Status status = Begin(file_op::kSyncDirectory, path); !status.ok()) return status;
  const NodePtr node = Find(path);
  if (node == nullptr) return FileError(ENOENT, "fsync directory", path);
  if (!node->is_directory) return FileError(ENOTDIR, "fsync directory", path);
  node->SyncEntries();
  MakeMovesDurable(node);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<DirectoryLock>> FaultFileSystem::LockDirectory(
    const std::string& path) {
  absl::MutexLock lock(&mu_);
  if (absl::Status status = Begin(file_op::kLock, path); !status.ok()) return status;
  const NodePtr node = Find(path);
  if (node == nullptr || !node->is_directory) return FileError(ENOENT, "lock", path);
  if (node->locked) {
    return MakeError(absl::StatusCode::kFailedPrecondition, ErrorReason::kLocked,
                     absl::StrCat("lock ", path, ": held by simulated process ", process_),
                     {{"path", path}, {"holder", absl::StrCat(process_)}});
  }
  if (node->entries.count("LOCK") == 0) {
    node->ChangeEntries({{"LOCK", std::make_shared<Node>(/*directory=*/false)}});
  }
  node->locked = true;
  return std::unique_ptr<DirectoryLock>(std::make_unique<HeldLock>(this, path, node, process_));
}

absl::StatusOr<uint64_t> FaultFileSystem::FileSize(const std::string& path) {
  absl::MutexLock lock(&mu_);
  const NodePtr node = Find(path);
  if (node == nullptr) return FileError(ENOENT, "stat", path);
  return node->file.size();
}

absl::StatusOr<absl::Time> FaultFileSystem::LastWritten(const std::string& path) {
  absl::MutexLock lock(&mu_);
  const NodePtr node = Find(path);
  if (node == nullptr) return FileError(ENOENT, "stat", path);
  return node->last_written;
}

void FaultFileSystem::SetTime(absl::Time now) {
  absl::MutexLock lock(&mu_);
  now_ = now;
}

absl::StatusOr<uint64_t> FaultFileSystem::FreeBytes(const std::string& path) {
  absl::MutexLock lock(&mu_);
  if (Find(path) == nullptr) return FileError(ENOENT, "statvfs", path);
  if (const MountedVolume* volume = VolumeOf(path)) return volume->free_bytes;
  const uint64_t used = UsedLocked();
  return capacity_ > used ? capacity_ - used : 0;
}

absl::StatusOr<uint64_t> FaultFileSystem::TotalBytes(const std::string& path) {
  absl::MutexLock lock(&mu_);
  if (Find(path) == nullptr) return FileError(ENOENT, "statvfs", path);
  const MountedVolume* const volume = VolumeOf(path);
  return volume == nullptr ? volume_bytes_ : volume->total_bytes;
}

void FaultFileSystem::Mount(const std::string& directory, uint64_t total_bytes,
                            uint64_t free_bytes) {
  absl::MutexLock lock(&mu_);
  mounted_.push_back({directory, total_bytes, free_bytes});
}

const FaultFileSystem::MountedVolume* FaultFileSystem::VolumeOf(const std::string& path) const {
  for (const MountedVolume& volume : mounted_) {
    if (path == volume.directory || absl::StartsWith(path, volume.directory + "/")) return &volume;
  }
  return nullptr;
}

void FaultFileSystem::SetVolumeBytes(uint64_t bytes) {
  absl::MutexLock lock(&mu_);
  volume_bytes_ = bytes;
}

absl::StatusOr<FileSystem::EntryKind> FaultFileSystem::KindOf(const std::string& path) {
  absl::MutexLock lock(&mu_);
  const NodePtr node = Find(path);
  if (node == nullptr) return FileError(ENOENT, "lstat", path);
  return node->is_directory ? EntryKind::kDirectory : EntryKind::kFile;
}

}  // namespace walden::testing
