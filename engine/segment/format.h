// The bytes of a segment file, format version 2. Prose and worked examples: FORMAT.md. No logic
// here: the writers (record_writer.h, group_head.h, segment_header.h) and the readers
// (record_parser.h, segment_scan.h) share this page. Version 1's differences: format_v1.h.
//
//   segment := header, group, group, ...               zero bytes = never written
//   header  := magic (8) | crc (4) | alignment (4) | salt (8) | namespace id (8) | region id (8) |
//              segment id (8) | size (8)
//   group   := group head, record, record, ...         begins at a multiple of the alignment
//   record  := version (1) | crc (4) | table id (8) | sequence number (8) | value length (4) |
//              value
//   value   := value version (1, now 0) | payload
//
// A group head is a control record. All integers are big-endian.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace walden::segment {

inline constexpr size_t kMagicBytes = 8;
// 0x89 keeps text tools away, "WALSEG" names it, 2 is the version of the segment's frame.
inline constexpr absl::string_view kSegmentMagic{"\x89WALSEG\x02", kMagicBytes};

// The header's fields, in order. Its crc is CRC-32C over the magic number and everything behind the
// crc. It has the first alignment unit of the file to itself.
inline constexpr size_t kHeaderCrcOffset = kMagicBytes;
inline constexpr size_t kHeaderAlignmentOffset = kHeaderCrcOffset + 4;
inline constexpr size_t kHeaderSaltOffset = kHeaderAlignmentOffset + 4;
inline constexpr size_t kHeaderNamespaceOffset = kHeaderSaltOffset + 8;
inline constexpr size_t kHeaderRegionOffset = kHeaderNamespaceOffset + 8;
inline constexpr size_t kHeaderSegmentOffset = kHeaderRegionOffset + 8;
inline constexpr size_t kHeaderSizeOffset = kHeaderSegmentOffset + 8;
inline constexpr size_t kSegmentHeaderBytes = kHeaderSizeOffset + 8;
static_assert(kSegmentHeaderBytes == 56);

// Alignments that a segment may have, powers of two. A disk writes a sector of the smallest one
// whole or not at all.
inline constexpr uint32_t kMinAlignment = 512;
inline constexpr uint32_t kMaxAlignment = 4096;
inline constexpr uint64_t kSectorBytes = kMinAlignment;

// A record's fields, in order.
inline constexpr size_t kVersionBytes = 1;
inline constexpr size_t kCrcBytes = 4;
inline constexpr size_t kTableBytes = 8;
inline constexpr size_t kSequenceBytes = 8;
inline constexpr size_t kValueLengthBytes = 4;
inline constexpr size_t kValueVersionBytes = 1;

inline constexpr size_t kCrcOffset = kVersionBytes;
inline constexpr size_t kTableOffset = kCrcOffset + kCrcBytes;
inline constexpr size_t kSequenceOffset = kTableOffset + kTableBytes;
inline constexpr size_t kValueLengthOffset = kSequenceOffset + kSequenceBytes;
inline constexpr size_t kHeaderBytes = kValueLengthOffset + kValueLengthBytes;
static_assert(kHeaderBytes == 25);

// A record with an empty payload.
inline constexpr size_t kMinRecordBytes = kHeaderBytes + kValueVersionBytes;
static_assert(kMinRecordBytes == 26);

// `version`: the low four bits are the version of the record's layout and never 0, so that zero
// bytes are no record; the high four bits are flags. The crc is CRC-32C over `version`, then over
// everything from table id to the end of the record.
inline constexpr uint8_t kRecordVersion = 1;
inline constexpr uint8_t kVersionMask = 0x0f;
inline constexpr uint8_t kMoreOfBatch = 0x80;  // the next record belongs to the same batch
inline constexpr uint8_t kControl = 0x20;      // not a client's record
inline constexpr uint8_t kJump = 0x10;         // numbers before this record's are unused

inline constexpr uint8_t kValueVersion = 0;

// Value of a control record: value version (1) | kind (1) | fields.
inline constexpr size_t kControlKindOffset = kHeaderBytes + kValueVersionBytes;
inline constexpr size_t kControlFieldsOffset = kControlKindOffset + 1;

// Kind 1, producer: opens a batch of its table. Its sequence number is that of the batch's first
// record. Fields: producer id (8) | producer sequence (8).
inline constexpr uint8_t kControlProducer = 1;
inline constexpr size_t kControlProducerBytes = 1 + 1 + 8 + 8;

// Kind 2, group head: opens a group. Its table is 0, its sequence number that of the group's first
// record, or of the next one to come if the group has none. Fields, in order:
inline constexpr uint8_t kControlGroup = 2;
inline constexpr size_t kGroupBytesOffset = kControlFieldsOffset;        // head and records
inline constexpr size_t kGroupRecordsOffset = kGroupBytesOffset + 4;     // that follow the head
inline constexpr size_t kGroupPreviousOffset = kGroupRecordsOffset + 4;  // end of the group before
inline constexpr size_t kGroupDurableEndOffset = kGroupPreviousOffset + 4;  // end, then segment
inline constexpr size_t kGroupDurableSegmentOffset = kGroupDurableEndOffset + 4;
inline constexpr size_t kGroupMetadataOffset = kGroupDurableSegmentOffset + 8;  // metadata's write
inline constexpr size_t kGroupTimeOffset = kGroupMetadataOffset + 8;  // Unix, microseconds
// CRC-32C over the 25 header bytes of each record of the group, in order.
inline constexpr size_t kGroupHeadersCrcOffset = kGroupTimeOffset + 8;
// CRC-32C over namespace id, region id, segment id, position and salt (8 bytes each), then the
// head's version byte, then the head from table id up to here.
inline constexpr size_t kGroupCrcOffset = kGroupHeadersCrcOffset + 4;
inline constexpr size_t kGroupHeadBytes = kGroupCrcOffset + 4;
static_assert(kGroupHeadBytes == 75 && kGroupHeadBytes < kMinAlignment);

// The smallest reach of a watermark: nothing is written farther behind the durable position before
// the next watermark, so opening after a crash looks no farther. It is also the reach of a segment
// without a watermark.
inline constexpr uint64_t kMinReachBytes = uint64_t{1} << 20;
inline constexpr uint64_t kMaxReachBytes = uint64_t{16} << 20;

// Segment files must be addressable by 32-bit positions.
inline constexpr uint64_t kMinSegmentBytes = 4096;
inline constexpr uint64_t kMaxSegmentBytes = uint64_t{1} << 30;

}  // namespace walden::segment
