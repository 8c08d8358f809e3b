#include "engine/segment/file_window.h"

#include <algorithm>
#include <cstring>

namespace walden::segment {
namespace {

// A window fits a processor's second-level cache, so that checksumming reads it from there.
constexpr uint64_t kWindowBytes = 256 << 10;

}  // namespace

absl::StatusOr<absl::string_view> FileWindow::Peek(uint64_t offset, uint64_t length) {
  length = offset >= end_ ? 0 : std::min(length, end_ - offset);
  const uint64_t have_end = buffer_offset_ + buffer_bytes_;
  if (offset < buffer_offset_ || offset + length > have_end) {
    const uint64_t want =
        std::min(std::max(length, kWindowBytes), offset >= end_ ? 0 : end_ - offset);
    if (buffer_.size() < want) buffer_.resize(want);
    // The bytes that are in the window already move to its front.
    uint64_t kept = 0;
    if (offset >= buffer_offset_ && offset < have_end) {
      kept = std::min(have_end - offset, want);
      std::memmove(buffer_.data(), buffer_.data() + (offset - buffer_offset_), kept);
    }
    buffer_offset_ = offset;
    buffer_bytes_ = kept;
    const absl::StatusOr<size_t> got =
        file_.Read(offset + kept, absl::MakeSpan(buffer_).subspan(kept, want - kept));
    if (!got.ok()) return got.status();
    buffer_bytes_ += *got;
  }
  const uint64_t skip = std::min(offset - buffer_offset_, buffer_bytes_);
  return absl::string_view(buffer_.data() + skip, buffer_bytes_ - skip);
}

}  // namespace walden::segment
