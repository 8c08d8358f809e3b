#include "engine/segment/batch_room.h"

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/segment/format.h"

namespace walden::segment {
namespace {

uint64_t RoomAt(uint32_t alignment, uint64_t bytes) {
  const SegmentHeader header{.alignment = alignment};
  const uint64_t usable = bytes / alignment * alignment;
  return usable - header.GroupBegin(header.first_end()) - kGroupHeadBytes;
}

}  // namespace

uint64_t EmptySegmentRoom(const SegmentHeader& newest, uint64_t bytes) {
  const bool alike = !newest.version_1() && newest.bytes == bytes;
  return RoomAt(alike ? newest.alignment : AlignmentFor(kMaxAlignment, bytes), bytes);
}

uint64_t LargestFirstSegmentRoom(uint64_t bytes) { return RoomAt(kMinAlignment, bytes); }

absl::Status CheckBatchFits(uint64_t bytes, uint64_t limit) {
  if (bytes <= limit) return absl::OkStatus();
  return MakeError(
      absl::StatusCode::kInvalidArgument, ErrorReason::kLimitExceeded,
      absl::StrCat("the batch takes ", bytes, " bytes, a segment of this region holds ", limit,
                   ": send smaller batches, or configure a larger segment_size"),
      {{"field", "payloads"}, {"value", absl::StrCat(bytes)}, {"limit", absl::StrCat(limit)}});
}

}  // namespace walden::segment
