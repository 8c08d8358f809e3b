#include "engine/segment/time_search.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "engine/segment/format.h"
#include "engine/segment/group_head.h"

namespace walden::segment {
namespace {

// Heads of small groups lie close together and are read at once.
constexpr uint64_t kReadBytes = 16 << 10;

// Reads group heads in rising positions through one small buffer.
class HeadReader {
 public:
  HeadReader(const SegmentHeader& segment, const OpenSegment& open, uint64_t end)
      : segment_(segment), open_(open), end_(end), buffer_(kReadBytes) {}

  // nullopt: no head is there.
  absl::StatusOr<std::optional<GroupHead>> At(uint64_t offset) {
    if (offset + kGroupHeadBytes > end_) return std::nullopt;
    if (offset + kGroupHeadBytes > offset_ + length_) {
      const uint64_t length = std::min(kReadBytes, end_ - offset);
      const absl::Status read = open_.Read(offset, absl::MakeSpan(buffer_.data(), length));
      if (!read.ok()) return read;
      offset_ = offset;
      length_ = length;
    }
    return ParseGroupHead({buffer_.data() + (offset - offset_), kGroupHeadBytes}, segment_, offset);
  }

 private:
  const SegmentHeader segment_;
  const OpenSegment& open_;
  const uint64_t end_;
  std::vector<char> buffer_;
  uint64_t offset_ = 0;  // of the buffer's bytes
  uint64_t length_ = 0;
};

}  // namespace

absl::StatusOr<SequenceNumber> FirstGroupSince(const SegmentFile& file, uint64_t begin,
                                               uint64_t end, int64_t unix_micros) {
  const auto open = file.Open();
  if (!open.ok()) return open.status();
  const SegmentHeader& segment = file.header();
  HeadReader heads(segment, **open, end);
  bool found_earlier = false;
  for (uint64_t at = begin;;) {
    const auto head = heads.At(at);
    if (!head.ok()) return head.status();
    if (!head->has_value()) return 0;
    if ((*head)->unix_micros >= unix_micros) return found_earlier ? (*head)->sequence : 0;
    found_earlier = true;
    at = segment.GroupBegin(at + (*head)->bytes);
  }
}

}  // namespace walden::segment
