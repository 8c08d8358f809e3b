// Computes CRC-32C (Castagnoli, RFC 3720 appendix B.4), and CRC-32 for foreign formats. ISA-L
// chooses the fastest instructions of the processor.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace walden {

// Continues a running CRC. Start with kCrc32cStart, end with Crc32cFinish.
inline constexpr uint32_t kCrc32cStart = 0xffffffffu;
uint32_t Crc32cExtend(uint32_t running, absl::string_view bytes);
inline uint32_t Crc32cFinish(uint32_t running) { return ~running; }

inline uint32_t Crc32c(absl::string_view bytes) {
  return Crc32cFinish(Crc32cExtend(kCrc32cStart, bytes));
}

// Continues a CRC-32 (IEEE 802.3, as zlib and gzip have it) of the bytes before; 0 if there are
// none.
uint32_t Crc32IeeeExtend(uint32_t before, absl::string_view bytes);

}  // namespace walden
