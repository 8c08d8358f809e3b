#include "cli/records/record_reader.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/console/failure.h"

namespace walden::cli {
namespace {

constexpr size_t kLengthBytes = 4;

uint32_t ReadBigEndian32(const char* bytes) {
  uint32_t value = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

}  // namespace

RecordReader::RecordReader(int fd, Options options) : fd_(fd), options_(std::move(options)) {}

absl::StatusOr<std::optional<absl::string_view>> RecordReader::Next() {
  for (;;) {
    auto found = FindRecord();
    if (!found.ok()) return found.status();
    if (found->has_value()) {
      const Found& record = **found;
      consumed_ += record.next - begin_;
      begin_ = scanned_ = record.next;
      return absl::string_view(buffer_).substr(record.begin, record.size);
    }
    if (at_end_) return std::nullopt;
    if (absl::Status filled = Fill(); !filled.ok()) return filled;
  }
}

bool RecordReader::Ready() {
  for (;;) {
    const auto found = FindRecord();
    if (!found.ok() || found->has_value() || at_end_) return true;
    pollfd waiting{fd_, POLLIN, 0};
    if (poll(&waiting, 1, 0) == 0) return false;
    if (!Fill().ok()) return true;
  }
}

absl::StatusOr<std::optional<RecordReader::Found>> RecordReader::FindRecord() {
  if (options_.framing == Framing::kLengthDelimited) return FindLengthDelimited();
  const auto line = FindLine();
  const uint64_t size = line.has_value() ? line->size : buffer_.size() - begin_;
  if (size > options_.max_record_bytes) return TooLong(size);
  return line;
}

std::optional<RecordReader::Found> RecordReader::FindLine() {
  const size_t newline = buffer_.find('\n', scanned_);
  scanned_ = buffer_.size();
  if (newline != std::string::npos) {
    scanned_ = newline;
    return Found{begin_, newline - begin_, newline + 1};
  }
  if (at_end_ && begin_ < buffer_.size()) {
    return Found{begin_, buffer_.size() - begin_, buffer_.size()};
  }
  return std::nullopt;
}

absl::StatusOr<std::optional<RecordReader::Found>> RecordReader::FindLengthDelimited() {
  const size_t available = buffer_.size() - begin_;
  if (available >= kLengthBytes) {
    const uint32_t size = ReadBigEndian32(buffer_.data() + begin_);
    if (size > options_.max_record_bytes) return TooLong(size);
    if (available - kLengthBytes >= size) {
      return Found{begin_ + kLengthBytes, size, begin_ + kLengthBytes + size};
    }
  }
  if (at_end_ && available > 0) {
    return Failure(absl::StatusCode::kInvalidArgument, kReasonBadInput,
                   absl::StrCat(options_.name, " ends inside the record at byte ", consumed_),
                   {{"offset", absl::StrCat(consumed_)}, {"bytes", absl::StrCat(available)}});
  }
  return std::nullopt;
}

absl::Status RecordReader::TooLong(uint64_t size) const {
  return Failure(absl::StatusCode::kInvalidArgument, kReasonBadInput,
                 absl::StrCat("the record at byte ", consumed_, " of ", options_.name,
                              " is longer than the limit"),
                 {{"offset", absl::StrCat(consumed_)},
                  {"bytes", absl::StrCat(size)},
                  {"limit", absl::StrCat(options_.max_record_bytes)}});
}

absl::Status RecordReader::Fill() {
  pollfd waiting[] = {{fd_, POLLIN, 0}, {options_.interrupt_fd, POLLIN, 0}};
  while (poll(waiting, 2, -1) < 0) {
    if (errno != EINTR) return FileFailure(errno, absl::StrCat("cannot read ", options_.name));
  }
  if (waiting[1].revents != 0) {
    return Failure(absl::StatusCode::kCancelled, kReasonInterrupted,
                   absl::StrCat("interrupted at byte ", consumed_, " of ", options_.name));
  }
  buffer_.erase(0, begin_);
  scanned_ -= begin_;
  begin_ = 0;
  const size_t size = buffer_.size();
  buffer_.resize(size + kReadBytes);
  ssize_t got;
  do {
    got = read(fd_, buffer_.data() + size, kReadBytes);
  } while (got < 0 && (errno == EINTR || errno == EAGAIN));
  buffer_.resize(size + static_cast<size_t>(std::max<ssize_t>(got, 0)));
  if (got < 0) return FileFailure(errno, absl::StrCat("cannot read ", options_.name));
  if (got == 0) at_end_ = true;
  return absl::OkStatus();
}

}  // namespace walden::cli
