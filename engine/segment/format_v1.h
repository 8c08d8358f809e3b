// The differences of format version 1 from version 2 of segments and metadata (format.h,
// metadata_format.h). Version 1 is read and never written. Prose: FORMAT.md. No logic here.
//
//   segment  := magic (8), record, record, ...          records may begin at any byte
//   metadata := magic (8), entry, entry, ...
//   entry    := version (1) | crc (4) | append number (4) | type (1) | body length (4) | body
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "engine/segment/format.h"

namespace walden::segment::v1 {

inline constexpr absl::string_view kSegmentMagic{"\x89WALSEG\x01", kMagicBytes};

// Flag of a record: all bytes before the record were durable before the record was written.
inline constexpr uint8_t kBarrier = 0x40;

// At most this many bytes of a segment waited to be made durable.
inline constexpr uint64_t kMaxUnsyncedBytes = uint64_t{8} << 20;

inline constexpr absl::string_view kMetadataMagic{"\x89WALMET\x01", kMagicBytes};
inline constexpr uint8_t kEntryVersion = 1;
inline constexpr size_t kEntryCrcOffset = 1;
inline constexpr size_t kEntryAppendOffset = kEntryCrcOffset + 4;
inline constexpr size_t kEntryTypeOffset = kEntryAppendOffset + 4;
inline constexpr size_t kEntryLengthOffset = kEntryTypeOffset + 1;
inline constexpr size_t kEntryHeaderBytes = kEntryLengthOffset + 4;
static_assert(kEntryHeaderBytes == 14);
inline constexpr size_t kMaxEntryBodyBytes = 64;

// Types of entries that have fewer fields than in version 2, or another meaning.
//   1 segment created: id, first sequence number expected in it, bytes

}  // namespace walden::segment::v1
