// The bytes of HoraeDB 2.1's log on a local disk, which Walden reads and never writes. Prose:
// FORMAT.md. No logic here.
//
//   file   := magic (11), record, record, ...          zero bytes = never written
//   record := version (1, 0) | crc (4) | table id (8) | sequence number (8) | value length (4) |
//             value
//   value  := value version (1, 0) | payload
//
// All integers are big-endian, but those that the checksum runs over.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace walden::horaedb {

inline constexpr size_t kMagicBytes = 11;
inline constexpr absl::string_view kMagic{"\0HoraeDBWAL", kMagicBytes};

inline constexpr absl::string_view kSegmentPrefix = "seg_";  // then the id, decimal

// A record's fields, in order.
inline constexpr size_t kVersionBytes = 1;
inline constexpr size_t kCrcBytes = 4;
inline constexpr size_t kTableBytes = 8;
inline constexpr size_t kSequenceBytes = 8;
inline constexpr size_t kValueLengthBytes = 4;

inline constexpr size_t kCrcOffset = kVersionBytes;
inline constexpr size_t kTableOffset = kCrcOffset + kCrcBytes;
inline constexpr size_t kSequenceOffset = kTableOffset + kTableBytes;
inline constexpr size_t kValueLengthOffset = kSequenceOffset + kSequenceBytes;
inline constexpr size_t kHeaderBytes = kValueLengthOffset + kValueLengthBytes;
static_assert(kHeaderBytes == 25);

inline constexpr uint8_t kRecordVersion = 0;

// CRC-32 (IEEE 802.3) of table id, sequence number and value length, each as 8 bytes
// little-endian, then of the value.
inline constexpr size_t kChecksummedHeaderBytes = 24;

inline constexpr uint8_t kValueVersion = 0;
inline constexpr size_t kValueVersionBytes = 1;

}  // namespace walden::horaedb
