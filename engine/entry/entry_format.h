// The payload of a record in an entry log, a table of kind kEntries. Prose: FORMAT.md. No logic
// here.
//
//   entry := version (1) | kind (1) | flags (1) | key length (2) |
//            [created (8)] | [expires (8)] | key | value (the rest)
//
// Integers are big-endian. The record around it has the checksum and the sequence number.
#pragma once

#include <cstddef>
#include <cstdint>

namespace walden::entry {

inline constexpr uint8_t kVersion = 1;

enum class RecordKind : uint8_t {
  kValue = 1,
  kTombstone = 2,    // no value follows the key
  kFlushMarker = 3,  // no key, no value: a flush covers everything with a lower sequence number
};

// Flags for the timestamps that follow. Both are i64, milliseconds since the Unix epoch.
inline constexpr uint8_t kHasCreated = 0x01;
inline constexpr uint8_t kHasExpires = 0x02;

inline constexpr size_t kKindOffset = 1;
inline constexpr size_t kFlagsOffset = kKindOffset + 1;
inline constexpr size_t kKeyLengthOffset = kFlagsOffset + 1;
inline constexpr size_t kHeaderBytes = kKeyLengthOffset + 2;
static_assert(kHeaderBytes == 5);
inline constexpr size_t kTimestampBytes = 8;
inline constexpr size_t kMaxHeaderBytes = kHeaderBytes + 2 * kTimestampBytes;
inline constexpr size_t kMaxKeyBytes = 0xFFFF;

}  // namespace walden::entry
