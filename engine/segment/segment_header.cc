#include "engine/segment/segment_header.h"

#include <algorithm>

#include "absl/numeric/bits.h"
#include "absl/strings/str_cat.h"
#include "base/big_endian.h"
#include "base/checksum.h"
#include "engine/segment/format.h"

namespace walden::segment {
namespace {

// A segment holds at least this many alignment units.
constexpr uint64_t kMinUnits = 8;

uint32_t HeaderCrc(absl::string_view header) {
  const uint32_t running = Crc32cExtend(kCrc32cStart, header.substr(0, kMagicBytes));
  return Crc32cFinish(Crc32cExtend(
      running,
      header.substr(kHeaderAlignmentOffset, kSegmentHeaderBytes - kHeaderAlignmentOffset)));
}

}  // namespace

uint64_t SegmentHeader::first_end() const {
  return version_1() ? kMagicBytes : kSegmentHeaderBytes;
}

uint64_t SegmentHeader::GroupBegin(uint64_t end) const {
  return version_1() ? end : (end + alignment - 1) / alignment * alignment;
}

uint32_t AlignmentFor(uint32_t probed, uint64_t bytes) {
  const uint64_t most = absl::bit_floor(std::max<uint64_t>(bytes / kMinUnits, kMinAlignment));
  const uint64_t wanted = absl::bit_ceil(std::clamp(probed, kMinAlignment, kMaxAlignment));
  return static_cast<uint32_t>(std::min(wanted, most));
}

std::string EncodeSegmentHeader(const SegmentHeader& header) {
  std::string bytes(kSegmentMagic);
  bytes.resize(kSegmentHeaderBytes);
  char* const at = bytes.data();
  PutU32(at + kHeaderAlignmentOffset, header.alignment);
  PutU64(at + kHeaderSaltOffset, header.salt);
  PutU64(at + kHeaderNamespaceOffset, header.namespace_id);
  PutU64(at + kHeaderRegionOffset, header.region);
  PutU64(at + kHeaderSegmentOffset, header.segment);
  PutU64(at + kHeaderSizeOffset, header.bytes);
  PutU32(at + kHeaderCrcOffset, HeaderCrc(bytes));
  return bytes;
}

std::optional<SegmentHeader> ParseSegmentHeader(absl::string_view bytes) {
  if (bytes.size() < kSegmentHeaderBytes || bytes.substr(0, kMagicBytes) != kSegmentMagic ||
      HeaderCrc(bytes) != GetU32(bytes.data() + kHeaderCrcOffset)) {
    return std::nullopt;
  }
  const char* const at = bytes.data();
  const uint64_t namespace_id = GetU64(at + kHeaderNamespaceOffset);
  const SegmentHeader header{.alignment = GetU32(at + kHeaderAlignmentOffset),
                             .salt = GetU64(at + kHeaderSaltOffset),
                             .namespace_id = static_cast<NamespaceId>(namespace_id),
                             .region = GetU64(at + kHeaderRegionOffset),
                             .segment = GetU64(at + kHeaderSegmentOffset),
                             .bytes = GetU64(at + kHeaderSizeOffset)};
  const bool known = namespace_id == header.namespace_id && header.alignment >= kMinAlignment &&
                     header.alignment <= kMaxAlignment && absl::has_single_bit(header.alignment);
  return known ? std::optional(header) : std::nullopt;
}

std::string HeaderDifference(const SegmentHeader& found, const SegmentHeader& wanted) {
  const auto differs = [](absl::string_view field, uint64_t is, uint64_t should_be) {
    return absl::StrCat("its header says ", field, " ", is, ", it should be ", should_be);
  };
  if (found.namespace_id != wanted.namespace_id) {
    return differs("namespace", found.namespace_id, wanted.namespace_id);
  }
  if (found.region != wanted.region) return differs("region", found.region, wanted.region);
  if (found.segment != wanted.segment) return differs("segment", found.segment, wanted.segment);
  if (found.bytes != wanted.bytes) return differs("size", found.bytes, wanted.bytes);
  if (found.alignment != wanted.alignment) {
    return differs("alignment", found.alignment, wanted.alignment);
  }
  if (found.salt != wanted.salt) return differs("salt", found.salt, wanted.salt);
  return "";
}

}  // namespace walden::segment
