#include "engine/segment/group_head.h"

#include <array>

#include "base/big_endian.h"
#include "base/checksum.h"
#include "engine/segment/format.h"

namespace walden::segment {
namespace {

// The checksum covers the group's place, then the head without the record's own checksum.
uint32_t GroupCrc(const char* head, const SegmentHeader& segment, uint64_t offset) {
  std::array<char, 5 * 8> place;
  PutU64(place.data(), segment.namespace_id);
  PutU64(place.data() + 8, segment.region);
  PutU64(place.data() + 16, segment.segment);
  PutU64(place.data() + 24, offset);
  PutU64(place.data() + 32, segment.salt);
  uint32_t crc = Crc32cExtend(kCrc32cStart, absl::string_view(place.data(), place.size()));
  crc = Crc32cExtend(crc, absl::string_view(head, kVersionBytes));
  return Crc32cFinish(
      Crc32cExtend(crc, absl::string_view(head + kTableOffset, kGroupCrcOffset - kTableOffset)));
}

uint32_t RecordCrc(const char* head) {
  const uint32_t crc = Crc32cExtend(kCrc32cStart, absl::string_view(head, kVersionBytes));
  return Crc32cFinish(
      Crc32cExtend(crc, absl::string_view(head + kTableOffset, kGroupHeadBytes - kTableOffset)));
}

}  // namespace

void PutGroupHead(char* to, const SegmentHeader& segment, uint64_t offset, const GroupHead& head) {
  to[0] = static_cast<char>(kRecordVersion | kControl);
  PutU64(to + kTableOffset, 0);
  PutU64(to + kSequenceOffset, head.sequence);
  PutU32(to + kValueLengthOffset, kGroupHeadBytes - kHeaderBytes);
  to[kHeaderBytes] = static_cast<char>(kValueVersion);
  to[kControlKindOffset] = static_cast<char>(kControlGroup);
  PutU32(to + kGroupBytesOffset, head.bytes);
  PutU32(to + kGroupRecordsOffset, head.records);
  PutU32(to + kGroupPreviousOffset, head.previous_end);
  PutU32(to + kGroupDurableEndOffset, head.durable.end);
  PutU64(to + kGroupDurableSegmentOffset, head.durable.segment);
  PutU64(to + kGroupMetadataOffset, head.metadata_append);
  PutU64(to + kGroupTimeOffset, static_cast<uint64_t>(head.unix_micros));
  PutU32(to + kGroupHeadersCrcOffset, head.headers_crc);
  PutU32(to + kGroupCrcOffset, GroupCrc(to, segment, offset));
  PutU32(to + kCrcOffset, RecordCrc(to));
}

std::optional<GroupHead> ParseGroupHead(absl::string_view bytes, const SegmentHeader& segment,
                                        uint64_t offset) {
  if (bytes.size() < kGroupHeadBytes) return std::nullopt;
  const char* const at = bytes.data();
  if (static_cast<uint8_t>(at[0]) != (kRecordVersion | kControl) ||
      GetU64(at + kTableOffset) != 0 ||
      GetU32(at + kValueLengthOffset) != kGroupHeadBytes - kHeaderBytes ||
      static_cast<uint8_t>(at[kHeaderBytes]) != kValueVersion ||
      static_cast<uint8_t>(at[kControlKindOffset]) != kControlGroup ||
      GetU32(at + kCrcOffset) != RecordCrc(at) ||
      GetU32(at + kGroupCrcOffset) != GroupCrc(at, segment, offset)) {
    return std::nullopt;
  }
  const GroupHead head{.sequence = GetU64(at + kSequenceOffset),
                       .bytes = GetU32(at + kGroupBytesOffset),
                       .records = GetU32(at + kGroupRecordsOffset),
                       .previous_end = GetU32(at + kGroupPreviousOffset),
                       .durable = {.segment = GetU64(at + kGroupDurableSegmentOffset),
                                   .end = GetU32(at + kGroupDurableEndOffset)},
                       .metadata_append = GetU64(at + kGroupMetadataOffset),
                       .unix_micros = static_cast<int64_t>(GetU64(at + kGroupTimeOffset)),
                       .headers_crc = GetU32(at + kGroupHeadersCrcOffset)};
  const bool possible = head.bytes >= kGroupHeadBytes && offset < segment.bytes &&
                        head.bytes <= segment.bytes - offset && head.previous_end <= offset;
  return possible ? std::optional(head) : std::nullopt;
}

}  // namespace walden::segment
