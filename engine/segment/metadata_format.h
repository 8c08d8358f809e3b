// The bytes of a region's `metadata` file, format version 2. Prose: FORMAT.md. No logic here.
//
//   metadata := header (512), entry, entry, ...        zero bytes = never written
//   header   := magic (8) | crc (4) | name length (4) | namespace id (8) | region id (8) |
//               size (8) | namespace name
//   entry    := version (1) | type (1) | body length (2) | crc (4) | append number (8) | body
//
// Integers are big-endian. The header's crc is CRC-32C over the magic number and everything behind
// the crc; an entry's over the bytes before it and everything behind it. Entries that were written
// together share an append number; it rises by one with every write, each of which is durable
// before the next, and never starts again. A later entry overrides an earlier one about the same
// thing.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "engine/segment/format.h"

namespace walden::segment {

inline constexpr absl::string_view kMetadataMagic{"\x89WALMET\x02", kMagicBytes};

inline constexpr size_t kMetadataCrcOffset = kMagicBytes;
inline constexpr size_t kMetadataNameLengthOffset = kMetadataCrcOffset + 4;
inline constexpr size_t kMetadataNamespaceOffset = kMetadataNameLengthOffset + 4;
inline constexpr size_t kMetadataRegionOffset = kMetadataNamespaceOffset + 8;
inline constexpr size_t kMetadataSizeOffset = kMetadataRegionOffset + 8;
inline constexpr size_t kMetadataNameOffset = kMetadataSizeOffset + 8;
inline constexpr size_t kMetadataHeaderBytes = 512;
static_assert(kMetadataNameOffset == 40);

inline constexpr uint8_t kEntryVersion = 2;
inline constexpr size_t kEntryTypeOffset = 1;
inline constexpr size_t kEntryLengthOffset = kEntryTypeOffset + 1;
inline constexpr size_t kEntryCrcOffset = kEntryLengthOffset + 2;
inline constexpr size_t kEntryAppendOffset = kEntryCrcOffset + 4;
inline constexpr size_t kEntryHeaderBytes = kEntryAppendOffset + 8;
static_assert(kEntryHeaderBytes == 16);
inline constexpr size_t kMaxEntryBodyBytes = 64;
// Every entry begins at a multiple of this.
inline constexpr size_t kEntryAlignment = 8;
static_assert(kMetadataHeaderBytes % kEntryAlignment == 0);
static_assert(kEntryHeaderBytes % kEntryAlignment == 0);

// Bodies, all fields u64.
enum class EntryType : uint8_t {
  // id, first sequence number expected in it, bytes, alignment, salt, end of the segment before
  kSegmentCreated = 1,
  kSegmentDeleted = 2,    // id
  kTableMark = 3,         // table, deleted through
  kRegionVersion = 4,     // highest version seen
  kSequenceReserved = 5,  // numbers through here may have been given out
  kProducerBatch = 6,     // producer id, table, producer sequence, first and last sequence number
  kQuarantined = 7,       // segment id, first and past-the-end byte, first and last sequence number
  kClosed = 8,            // newest segment id, end of its records, next expected sequence number
  kOpened = 9,            // (empty) a writer is at work: kClosed no longer holds
  kTableKind = 10,        // table, kind: kEntryTable. A table with records and none is a plain log
  kTableOffset = 11,      // table, its numbers in the log minus those that clients know
  kSegmentSealed = 12,    // id, end of its records (0: not known), number behind them
  kWatermark = 13,        // segment id, position before which all is durable, number behind it, and
                          // position from which on nothing is written before the next watermark
  kNumberFloor = 14,      // no table's next number is lower than this
  kUpgraded = 15,         // Unix milliseconds when version 2 first opened a version 1 directory
  kProducerIssued = 16,   // producer id, next sequence number when it was issued
  kProducersForgotten = 17,  // first and last producer id
};

// The kind of a table whose payloads are row entries, in kTableKind.
inline constexpr uint64_t kEntryTable = 1;

// Initial and smallest size of the file; really allocated, so that marks can be written on a full
// disk.
inline constexpr uint64_t kMinMetadataBytes = 64 << 10;

}  // namespace walden::segment
