#include "engine/io/posix_file_system.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/io/posix_error.h"
#include "engine/io/posix_file.h"

namespace walden {
namespace {

absl::Status DirectoryNotInPlace(const std::string& lock_path) {
  return MakeError(absl::StatusCode::kDataLoss, ErrorReason::kCorruption,
                   absl::StrCat(lock_path,
                                " is not the file that this process locked any more: its "
                                "directory was moved or replaced, or its volume is not mounted; "
                                "bring it back, or restart the daemon"),
                   {{"file", lock_path}, {"offset", "0"}});
}

// Holds flock() on a LOCK file. The kernel releases the lock when the process ends, however it
// ends.
class FlockLock final : public DirectoryLock {
 public:
  FlockLock(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  ~FlockLock() override {
    ::close(descriptor_);
    if (directory_ >= 0) ::close(directory_);
  }

  // Locks the directory itself too: the LOCK file could be removed and made anew. False if another
  // process has the lock. A network file system may not lock directories; there only the file is
  // locked.
  bool LockDirectoryItself(const std::string& directory) {
    directory_ = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return directory_ < 0 || ::flock(directory_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
  }

  absl::Status CheckInPlace() const override {
    struct stat mine = {};
    if (::fstat(descriptor_, &mine) != 0) return PosixError("fstat", path_, errno);
    struct stat named = {};
    if (::stat(path_.c_str(), &named) == 0) {
      if (named.st_ino == mine.st_ino && named.st_dev == mine.st_dev) return absl::OkStatus();
    } else if (errno != ENOENT && errno != ENOTDIR) {
      return PosixError("stat", path_, errno);
    }
    return DirectoryNotInPlace(path_);
  }

 private:
  const std::string path_;
  const int descriptor_;
  int directory_ = -1;
};

std::string Holder(int descriptor) {
  std::array<char, 128> text = {};
  const ssize_t length = ::pread(descriptor, text.data(), text.size(), 0);
  if (length <= 0) return "a process that did not write its name";
  return std::string(
      absl::StripAsciiWhitespace(absl::string_view(text.data(), static_cast<size_t>(length))));
}

absl::Status WriteHolder(int descriptor, const std::string& path) {
  std::array<char, 65> host = {};
  if (::gethostname(host.data(), host.size() - 1) != 0)
    return PosixError("gethostname", path, errno);
  const std::string text = absl::StrCat("process ", ::getpid(), " on host ", host.data(), "\n");
  if (::ftruncate(descriptor, 0) != 0 && errno != ENOSPC)
    return PosixError("ftruncate", path, errno);
  // A full disk must not keep a daemon from starting: the lock holds without the name.
  if (::pwrite(descriptor, text.data(), text.size(), 0) < 0 && errno != ENOSPC) {
    return PosixError("pwrite", path, errno);
  }
  return absl::OkStatus();
}

std::string KindName(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return "a directory";
    case S_IFIFO:
      return "a FIFO";
    case S_IFSOCK:
      return "a socket";
    case S_IFCHR:
    case S_IFBLK:
      return "a device";
    default:
      return absl::StrCat("of kind ", mode & S_IFMT);
  }
}

absl::Status NotAFile(const std::string& path, mode_t mode) {
  return MakeError(absl::StatusCode::kDataLoss, ErrorReason::kCorruption,
                   absl::StrCat(path, " is ", KindName(mode), " where a regular file belongs"),
                   {{"file", path}, {"offset", "0"}});
}

class PosixFileSystemImpl final : public FileSystem {
 public:
  explicit PosixFileSystemImpl(Access access)
      : file_mode_(access == Access::kOwner ? 0600 : 0640),
        directory_mode_(access == Access::kOwner ? 0700 : 0750) {}

  absl::StatusOr<std::unique_ptr<File>> CreateFile(const std::string& path) override {
    return Open(path, O_RDWR | O_CREAT | O_EXCL);
  }

  absl::StatusOr<std::unique_ptr<File>> OpenFile(const std::string& path, OpenMode mode) override {
    if (mode == OpenMode::kReadFromMedium) return OpenFromMedium(path);
    return Open(path, mode == OpenMode::kReadOnly ? O_RDONLY : O_RDWR);
  }

  absl::StatusOr<std::vector<std::string>> ListDirectory(const std::string& path) override {
    DIR* directory = ::opendir(path.c_str());
    if (directory == nullptr) return PosixError("opendir", path, errno);
    std::vector<std::string> names;
    errno = 0;
    while (const struct dirent* entry = ::readdir(directory)) {
      const absl::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
      errno = 0;
    }
    const int error = errno;
    ::closedir(directory);
    if (error != 0) return PosixError("readdir", path, error);
    std::sort(names.begin(), names.end());
    return names;
  }

  absl::Status CreateDirectory(const std::string& path) override {
    if (::mkdir(path.c_str(), directory_mode_) == 0) return absl::OkStatus();
    const int error = errno;
    struct stat info = {};
    if (error == EEXIST && ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
      return absl::OkStatus();
    }
    return PosixError("mkdir", path, error);
  }

  absl::Status Rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return PosixError("rename", from, errno);
    return absl::OkStatus();
  }

  absl::Status RemoveFile(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return PosixError("unlink", path, errno);
    return absl::OkStatus();
  }

  absl::Status RemoveDirectory(const std::string& path) override {
    if (::rmdir(path.c_str()) != 0) return PosixError("rmdir", path, errno);
    return absl::OkStatus();
  }

  absl::Status SyncDirectory(const std::string& path) override {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return PosixError("open", path, errno);
    const int result = ::fsync(descriptor);
    const int error = errno;
    ::close(descriptor);
    if (result != 0) return PosixError("fsync", path, error);
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<DirectoryLock>> LockDirectory(const std::string& path) override {
    const std::string lock_path = absl::StrCat(path, "/LOCK");
    const absl::StatusOr<int> opened = OpenDescriptor(lock_path, O_RDWR | O_CREAT);
    if (!opened.ok()) return opened.status();
    const int descriptor = *opened;
    auto lock = std::make_unique<FlockLock>(lock_path, descriptor);
    const bool has_file = ::flock(descriptor, LOCK_EX | LOCK_NB) == 0;
    if (!has_file && errno != EWOULDBLOCK) return PosixError("flock", lock_path, errno);
    if (!has_file || !lock->LockDirectoryItself(path)) {
      const std::string holder = Holder(descriptor);
      return MakeError(absl::StatusCode::kFailedPrecondition, ErrorReason::kLocked,
                       absl::StrCat("directory ", path, " is in use by ", holder),
                       {{"directory", path}, {"holder", holder}});
    }
    const absl::Status named = WriteHolder(descriptor, lock_path);
    if (!named.ok()) return named;
    return std::unique_ptr<DirectoryLock>(std::move(lock));
  }

  absl::StatusOr<EntryKind> KindOf(const std::string& path) override {
    struct stat info = {};
    if (::lstat(path.c_str(), &info) != 0) return PosixError("lstat", path, errno);
    if (S_ISREG(info.st_mode)) return EntryKind::kFile;
    if (S_ISDIR(info.st_mode)) return EntryKind::kDirectory;
    return S_ISLNK(info.st_mode) ? EntryKind::kSymbolicLink : EntryKind::kOther;
  }

  absl::StatusOr<uint64_t> FileSize(const std::string& path) override {
    struct stat info = {};
    if (::stat(path.c_str(), &info) != 0) return PosixError("stat", path, errno);
    return static_cast<uint64_t>(info.st_size);
  }

  absl::StatusOr<absl::Time> LastWritten(const std::string& path) override {
    struct stat info = {};
    if (::stat(path.c_str(), &info) != 0) return PosixError("stat", path, errno);
    return absl::TimeFromTimespec(info.st_mtim);
  }

  absl::StatusOr<uint64_t> FreeBytes(const std::string& path) override {
    struct statvfs info = {};
    if (::statvfs(path.c_str(), &info) != 0) return PosixError("statvfs", path, errno);
    return static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
  }

  absl::StatusOr<uint64_t> TotalBytes(const std::string& path) override {
    struct statvfs info = {};
    if (::statvfs(path.c_str(), &info) != 0) return PosixError("statvfs", path, errno);
    return static_cast<uint64_t>(info.f_blocks) * info.f_frsize;
  }

 private:
  // NONBLOCK: opening a FIFO would wait for somebody at its other end. It changes nothing about
  // regular files.
  absl::StatusOr<int> OpenDescriptor(const std::string& path, int flags) const {
    const int descriptor =
        ::open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, file_mode_);
    struct stat info = {};
    if (descriptor < 0) {
      const int error = errno;
      // Some kinds of files cannot be opened, with errors that do not name the kind.
      if ((error == EISDIR || error == ENXIO) && ::stat(path.c_str(), &info) == 0) {
        return NotAFile(path, info.st_mode);
      }
      return PosixError("open", path, error);
    }
    absl::Status status;
    if (::fstat(descriptor, &info) != 0) {
      status = PosixError("fstat", path, errno);
    } else if (!S_ISREG(info.st_mode)) {
      status = NotAFile(path, info.st_mode);
    }
    if (status.ok()) return descriptor;
    ::close(descriptor);
    return status;
  }

  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, int flags) const {
    const absl::StatusOr<int> descriptor = OpenDescriptor(path, flags);
    if (!descriptor.ok()) return descriptor.status();
    return MakePosixFile(path, *descriptor);
  }

  absl::StatusOr<std::unique_ptr<File>> OpenFromMedium(const std::string& path) const {
    const absl::StatusOr<int> buffered = OpenDescriptor(path, O_RDONLY);
    if (!buffered.ok()) return buffered.status();
    // The file is regular, so this fails only if its file system has no direct reads.
    const int direct = ::open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC | O_NONBLOCK);
    return MakePosixMediumFile(path, *buffered, direct);
  }

  const mode_t file_mode_;
  const mode_t directory_mode_;
};

}  // namespace

FileSystem* PosixFileSystem(Access access) {
  static auto* const for_owner = new PosixFileSystemImpl(Access::kOwner);
  static auto* const for_group = new PosixFileSystemImpl(Access::kGroup);
  return access == Access::kOwner ? for_owner : for_group;
}

absl::StatusOr<bool> TightenDirectory(const std::string& path, Access access) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return PosixError("open", path, errno);
  struct stat info = {};
  absl::StatusOr<bool> tightened = false;
  const mode_t unwanted = access == Access::kOwner ? 0077 : 0027;
  if (::fstat(descriptor, &info) != 0) {
    tightened = PosixError("fstat", path, errno);
  } else if ((info.st_mode & unwanted) != 0) {
    tightened = true;
    // The mode is set even if its bits look right: with an access list the group's bits show the
    // mask.
    if (::fchmod(descriptor, (info.st_mode & 07777) & ~unwanted) != 0) {
      tightened = PosixError("fchmod", path, errno);
    }
  }
  ::close(descriptor);
  return tightened;
}

absl::Status GiveToGroup(const std::string& path, const std::string& group) {
  std::array<char, 16384> buffer;
  struct group entry = {};
  struct group* found = nullptr;
  const int error = ::getgrnam_r(group.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (error != 0) return PosixError("getgrnam", group, error);
  if (found == nullptr) {
    return MakeError(absl::StatusCode::kInvalidArgument, ErrorReason::kInvalidField,
                     absl::StrCat("there is no group ", group),
                     {{"field", "data_group"}, {"value", group}});
  }
  // The set-group-ID bit gives new files inside to the group too.
  constexpr mode_t kInherited = S_ISGID | 0750;
  struct stat info = {};
  if (::stat(path.c_str(), &info) != 0) return PosixError("stat", path, errno);
  const bool was_given = info.st_gid == found->gr_gid;
  if (!was_given && ::chown(path.c_str(), static_cast<uid_t>(-1), found->gr_gid) != 0) {
    return PosixError("chown", path, errno);
  }
  if ((!was_given || (info.st_mode & 07777) != kInherited) &&
      ::chmod(path.c_str(), kInherited) != 0) {
    return PosixError("chmod", path, errno);
  }
  return absl::OkStatus();
}

}  // namespace walden
