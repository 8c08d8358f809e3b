// The bytes of a segment file. Prose and worked examples: FORMAT.md. No logic here: the writer
// (record_writer.h) and the reader (record_parser.h) share this page.
//
//   segment := magic (8), record, record, ...          zero bytes = never written
//   record  := version (1) | crc (4) | table id (8) | sequence number (8) | value length (4) |
//   value value   := value version (1, now 0) | payload
//
// All integers are big-endian.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace walden::segment {

inline constexpr size_t kMagicBytes = 8;
// 0x89 keeps text tools away, "WALSEG" names it, 1 is the version of the segment's frame.
inline constexpr absl::string_view kSegmentMagic{"\x89WALSEG\x01", kMagicBytes};

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
// bytes are no record; the high four bits are flags. CRC-32C runs over `version`, then over
// everything from table id to the end of the record.
inline constexpr uint8_t kRecordVersion = 1;
inline constexpr uint8_t kVersionMask = 0x0f;
inline constexpr uint8_t kMoreOfBatch = 0x80;  // the next record belongs to the same batch
inline constexpr uint8_t kBarrier =
    0x40;  // all before this record was durable before it was written
inline constexpr uint8_t kControl = 0x20;  // not a client's record: says something of its batch
inline constexpr uint8_t kJump =
    0x10;  // numbers between the last record's and this one's are unused

inline constexpr uint8_t kValueVersion = 0;

// Value of a control record (its table is the batch's, its sequence number that of the batch's
// first record, which follows it): value version (1) | kind (1) | producer id (8) | producer
// sequence (8).
inline constexpr uint8_t kControlProducer = 1;
inline constexpr size_t kControlProducerBytes = 1 + 1 + 8 + 8;

// At any moment at most this many bytes of a segment wait to be made durable; so after a crash
// nothing that was written lies further than this behind the last durable record.
inline constexpr uint64_t kMaxUnsyncedBytes = uint64_t{8} << 20;

// A disk writes this many bytes or nothing.
inline constexpr uint64_t kSectorBytes = 512;

// Segment files must be addressable by 32-bit positions.
inline constexpr uint64_t kMinSegmentBytes = 4096;
inline constexpr uint64_t kMaxSegmentBytes = uint64_t{1} << 30;

}  // namespace walden::segment
