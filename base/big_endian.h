// Fixed-width big-endian integers. Compilers turn each loop into one load or store with a byte
// swap.
#pragma once

#include <cstddef>
#include <cstdint>

namespace walden {

template <typename Unsigned>
void PutBigEndian(char* to, Unsigned value) {
  for (size_t i = 0; i < sizeof(Unsigned); ++i) {
    to[i] = static_cast<char>(value >> (8 * (sizeof(Unsigned) - 1 - i)));
  }
}

template <typename Unsigned>
Unsigned GetBigEndian(const char* from) {
  Unsigned value = 0;
  for (size_t i = 0; i < sizeof(Unsigned); ++i) {
    value = static_cast<Unsigned>(value << 8) | static_cast<unsigned char>(from[i]);
  }
  return value;
}

inline void PutU32(char* to, uint32_t value) { PutBigEndian(to, value); }
inline void PutU64(char* to, uint64_t value) { PutBigEndian(to, value); }
inline uint32_t GetU32(const char* from) { return GetBigEndian<uint32_t>(from); }
inline uint64_t GetU64(const char* from) { return GetBigEndian<uint64_t>(from); }

}  // namespace walden
