// The companion file of a RocksDB namespace, `walden_files`: what RocksDB must find when it opens
// the directory. Prose and a worked example: FORMAT.md. No logic here: companion.h encodes and
// decodes.
//
//   file     := slot (kSlotBytes) | slot (kSlotBytes)
//   slot     := magic (8) | crc (4) | length (4) | body (length) | not used
//   body     := version (1) | generation (8) | salt (8) | namespace id (1) |
//               name length (1) | name | state (1) | numbers through (8) |
//               manifest | manifest | log count (2) | log...
//   manifest := number (8) | length (8) | crc (4)
//   log      := number (8) | length (8) | crc (4)
//
// All integers are big-endian. A crc is a CRC-32C: of a slot over length and body, of a file over
// its first `length` bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace walden::rocks {

inline constexpr char kCompanionFile[] = "walden_files";
inline constexpr char kNewCompanionFile[] = "walden_files.new";

inline constexpr std::array<char, 8> kSlotMagic = {'W', 'L', 'D', 'F', 'I', 'L', 'E', 'S'};
inline constexpr size_t kSlotCount = 2;
inline constexpr size_t kSlotBytes = 16384;
inline constexpr size_t kSlotCrcOffset = kSlotMagic.size();
inline constexpr size_t kSlotLengthOffset = kSlotCrcOffset + 4;
inline constexpr size_t kSlotBodyOffset = kSlotLengthOffset + 4;
static_assert(kSlotBodyOffset == 16);

inline constexpr uint8_t kCompanionVersion = 1;

// The state of the directory.
inline constexpr uint8_t kStateTaking = 0;  // the next opening takes the directory as it is
inline constexpr uint8_t kStateOpen = 1;    // in use, or left by a crash
inline constexpr uint8_t kStateClosed = 2;  // every file ends where the companion says

inline constexpr size_t kManifestBytes = 20;
inline constexpr size_t kLogBytes = 20;
// A body with the longest name and no log.
inline constexpr size_t kLongestFixedBody =
    1 + 8 + 8 + 1 + 1 + 255 + 1 + 8 + 2 * kManifestBytes + 2;
inline constexpr size_t kMaxCompanionLogs =
    (kSlotBytes - kSlotBodyOffset - kLongestFixedBody) / kLogBytes;
static_assert(kMaxCompanionLogs == 802);

}  // namespace walden::rocks
