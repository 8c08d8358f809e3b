#include "cli/console/output.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/console/failure.h"

namespace walden::cli {

Output::Output(int fd, std::string name)
    : fd_(fd), name_(std::move(name)), is_terminal_(isatty(fd) == 1) {
  buffer_.reserve(kBufferBytes);
}

Output::~Output() { (void)Flush(); }

absl::Status Output::Write(absl::string_view bytes) {
  if (!failure_.ok()) return failure_;
  if (buffer_.size() + bytes.size() > kBufferBytes) {
    if (absl::Status flushed = Flush(); !flushed.ok()) return flushed;
    if (bytes.size() >= kBufferBytes) return WriteAll(bytes);
  }
  buffer_.append(bytes.data(), bytes.size());
  return absl::OkStatus();
}

absl::Status Output::Flush() {
  if (!failure_.ok()) return failure_;
  if (buffer_.empty()) return absl::OkStatus();
  absl::Status written = WriteAll(buffer_);
  buffer_.clear();
  return written;
}

absl::Status Output::Sync() {
  if (absl::Status flushed = Flush(); !flushed.ok()) return flushed;
  if (fsync(fd_) == 0 || errno == EINVAL || errno == ENOTSUP) return absl::OkStatus();
  failure_ = FileFailure(errno, absl::StrCat("cannot sync ", name_));
  return failure_;
}

absl::Status Output::WriteAll(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd_, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EAGAIN) {  // somebody made our standard output non-blocking
      pollfd waiting{fd_, POLLOUT, 0};
      (void)poll(&waiting, 1, -1);
    } else if (errno == EPIPE) {
      failure_ = Failure(absl::StatusCode::kCancelled, kReasonOutputClosed,
                         absl::StrCat("nobody reads ", name_, " any more"));
      return failure_;
    } else if (errno != EINTR) {
      failure_ = FileFailure(errno, absl::StrCat("cannot write ", name_));
      return failure_;
    }
  }
  return absl::OkStatus();
}

}  // namespace walden::cli
