// The bytes of a region's `metadata` file. Prose: FORMAT.md. No logic here.
//
//   metadata := magic (8), entry, entry, ...           zero bytes = never written
//   entry    := version (1) | crc (4) | append number (4) | type (1) | body length (4) | body
//
// Integers are big-endian. CRC-32C over version, then from append number to the end of the body.
// Entries that were written together share an append number; it rises by one with every write, each
// of which is durable before the next. A later entry overrides an earlier one about the same thing.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "engine/segment/format.h"

namespace walden::segment {

inline constexpr absl::string_view kMetadataMagic{"\x89WALMET\x01", kMagicBytes};

inline constexpr uint8_t kEntryVersion = 1;
inline constexpr size_t kEntryCrcOffset = 1;
inline constexpr size_t kEntryAppendOffset = kEntryCrcOffset + 4;
inline constexpr size_t kEntryTypeOffset = kEntryAppendOffset + 4;
inline constexpr size_t kEntryLengthOffset = kEntryTypeOffset + 1;
inline constexpr size_t kEntryHeaderBytes = kEntryLengthOffset + 4;
static_assert(kEntryHeaderBytes == 14);
inline constexpr size_t kMaxEntryBodyBytes = 64;

// Bodies, all fields u64.
enum class EntryType : uint8_t {
  kSegmentCreated = 1,    // id, first sequence number expected in it, bytes
  kSegmentDeleted = 2,    // id
  kTableMark = 3,         // table, deleted through
  kRegionVersion = 4,     // highest version seen
  kSequenceReserved = 5,  // numbers through here may have been given out
  kProducerBatch = 6,     // producer id, table, producer sequence, first and last sequence number
  kQuarantined = 7,       // segment id, first and past-the-end byte, first and last sequence number
  kClosed = 8,            // newest segment id, end of its records, next expected sequence number
  kOpened = 9,            // (empty) a writer is at work: kClosed no longer holds
  kTableKind = 10,        // table, kind: kEntryTable. A table with records and none is a plain log
  kTableOffset = 11,  // table, what its numbers in the log are higher than its clients know them
};

// Of kTableKind: its payloads are row entries.
inline constexpr uint64_t kEntryTable = 1;

// Initial and smallest size of the file; really allocated, so that marks can be written on a full
// disk.
inline constexpr uint64_t kMinMetadataBytes = 64 << 10;

}  // namespace walden::segment
