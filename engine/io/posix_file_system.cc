#include "engine/io/posix_file_system.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "engine/error.h"
#include "engine/io/posix_error.h"
#include "engine/io/posix_file.h"

namespace walden {
namespace {

// Holds flock() on a LOCK file. The kernel lets go when the process ends, however it ends.
class FlockLock final : public DirectoryLock {
 public:
  explicit FlockLock(int descriptor) : descriptor_(descriptor) {}
  ~FlockLock() override { ::close(descriptor_); }

 private:
  const int descriptor_;
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

class PosixFileSystemImpl final : public FileSystem {
 public:
  absl::StatusOr<std::unique_ptr<File>> CreateFile(const std::string& path) override {
    return Open(path, O_RDWR | O_CREAT | O_EXCL);
  }

  absl::StatusOr<std::unique_ptr<File>> OpenFile(const std::string& path, OpenMode mode) override {
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
    if (::mkdir(path.c_str(), 0755) == 0) return absl::OkStatus();
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
    const int descriptor = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (descriptor < 0) return PosixError("open", lock_path, errno);
    auto lock = std::make_unique<FlockLock>(descriptor);
    if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return PosixError("flock", lock_path, errno);
      const std::string holder = Holder(descriptor);
      return MakeError(absl::StatusCode::kFailedPrecondition, ErrorReason::kLocked,
                       absl::StrCat("directory ", path, " is in use by ", holder),
                       {{"directory", path}, {"holder", holder}});
    }
    const absl::Status named = WriteHolder(descriptor, lock_path);
    if (!named.ok()) return named;
    return std::unique_ptr<DirectoryLock>(std::move(lock));
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

 private:
  static absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, int flags) {
    const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC, 0644);
    if (descriptor < 0) return PosixError("open", path, errno);
    return MakePosixFile(path, descriptor);
  }
};

}  // namespace

FileSystem* PosixFileSystem() {
  static auto* const file_system = new PosixFileSystemImpl;
  return file_system;
}

}  // namespace walden
