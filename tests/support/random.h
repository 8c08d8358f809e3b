// Random numbers that are the same on every machine and library version for one seed.
#pragma once

#include <cstdint>
#include <string>

namespace walden::testing {

// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
// One thread at a time.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  // 0 .. bound-1; bound must not be 0.
  uint64_t Below(uint64_t bound) { return Next() % bound; }

  // low .. high, both inclusive.
  uint64_t Between(uint64_t low, uint64_t high) { return low + Below(high - low + 1); }

  bool Percent(uint64_t percent) { return Below(100) < percent; }

  // Bytes of which none is zero.
  std::string NonZeroBytes(size_t size) {
    std::string bytes(size, '\0');
    for (size_t i = 0; i < size;) {
      uint64_t word = Next();
      for (int k = 0; k < 8 && i < size; ++k, word >>= 8) {
        bytes[i++] = static_cast<char>(1 + (word & 0xff) % 255);
      }
    }
    return bytes;
  }

 private:
  uint64_t state_;
};

}  // namespace walden::testing
