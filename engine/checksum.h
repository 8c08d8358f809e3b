// CRC-32C (Castagnoli, RFC 3720 appendix B.4) by ISA-L, which uses what the processor offers.
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

}  // namespace walden
