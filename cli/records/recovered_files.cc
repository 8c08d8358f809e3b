#include "cli/records/recovered_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/console/failure.h"

namespace walden::cli {
namespace {

constexpr size_t kPendingBytes = 8u << 20;

}  // namespace

RecoveredFiles::RecoveredFiles(std::string directory, RecordFormatting format)
    : directory_(std::move(directory)), format_(format) {}

RecoveredFiles::~RecoveredFiles() {
  if (directory_fd_ >= 0) close(directory_fd_);
}

absl::Status RecoveredFiles::Open() {
  if (mkdir(directory_.c_str(), 0777) != 0 && errno != EEXIST) {
    return FileFailure(errno, absl::StrCat("cannot make the directory ", directory_));
  }
  directory_fd_ = open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory_fd_ < 0) return FileFailure(errno, absl::StrCat("cannot open ", directory_));
  DIR* listing = opendir(directory_.c_str());
  if (listing == nullptr) return FileFailure(errno, absl::StrCat("cannot open ", directory_));
  bool empty = true;
  while (const dirent* entry = readdir(listing)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") empty = false;
  }
  closedir(listing);
  if (empty) return absl::OkStatus();
  return Failure(absl::StatusCode::kInvalidArgument, kReasonFile,
                 absl::StrCat("--output ", directory_,
                              " is not empty; give an empty directory or one that does not exist"));
}

absl::Status RecoveredFiles::Write(uint64_t table, uint64_t sequence, absl::string_view payload) {
  std::string& pending = pending_[table];
  const size_t before = pending.size();
  FormatRecord(format_, table, sequence, payload, pending);
  pending_bytes_ += pending.size() - before;
  return pending_bytes_ < kPendingBytes ? absl::OkStatus() : WriteOut();
}

// Opens each file anew: more tables than file descriptors are no problem.
absl::Status RecoveredFiles::WriteOut() {
  for (auto& [table, bytes] : pending_) {
    if (bytes.empty()) continue;
    const std::string path = PathOf(table, true);
    const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0) return FileFailure(errno, absl::StrCat("cannot make ", path));
    Output file(fd, path);
    absl::Status written = file.Write(bytes);
    if (written.ok()) written = file.Flush();
    close(fd);
    if (!written.ok()) return written;
    bytes.clear();
  }
  pending_bytes_ = 0;
  return absl::OkStatus();
}

absl::Status RecoveredFiles::Complete() {
  if (absl::Status written = WriteOut(); !written.ok()) return written;
  if (absl::Status synced = SyncAll(); !synced.ok()) return synced;
  for (const auto& entry : pending_) {
    const std::string partial = PathOf(entry.first, true);
    if (std::rename(partial.c_str(), PathOf(entry.first, false).c_str()) != 0) {
      return FileFailure(errno, absl::StrCat("cannot rename ", partial));
    }
  }
  return fsync(directory_fd_) == 0 ? absl::OkStatus()
                                   : FileFailure(errno, absl::StrCat("cannot sync ", directory_));
}

// One call for all files: thousands of fsyncs would wait for thousands of journal commits. It
// reports every write that failed on the file system since the directory was opened (Linux 5.8).
absl::Status RecoveredFiles::SyncAll() {
  return syncfs(directory_fd_) == 0
             ? absl::OkStatus()
             : FileFailure(errno, absl::StrCat("cannot sync the files in ", directory_));
}

std::string RecoveredFiles::PathOf(uint64_t table, bool partial) const {
  return absl::StrCat(directory_, "/table_", table, partial ? ".partial" : "");
}

}  // namespace walden::cli
