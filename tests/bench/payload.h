// The bytes that are appended and read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace walden::bench {

inline constexpr size_t kMiB = size_t{1} << 20;

// What the segment engine stores before each payload: record header and value version.
inline constexpr size_t kRecordHeaderBytes = 26;

// The segment engine's default.
inline constexpr size_t kSegmentBytes = 64 * kMiB;

// `size` bytes that look random, the same ones for the same seed.
inline std::string MakePayload(size_t size, uint64_t seed) {
  std::string payload(size, '\0');
  uint64_t state = seed * 0x9e3779b97f4a7c15 + 1;
  for (char& byte : payload) {  // xorshift64
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    byte = static_cast<char>(state >> 56);
  }
  return payload;
}

inline std::vector<std::string> MakePayloads(size_t count, size_t size) {
  std::vector<std::string> payloads;
  for (size_t i = 0; i < count; ++i) payloads.push_back(MakePayload(size, i + 1));
  return payloads;
}

}  // namespace walden::bench
