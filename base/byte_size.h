// A number of bytes, written with its unit: 512B, 64KiB, 64MiB, 1GiB, 2TiB. 1KiB is 1,024 bytes.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace walden {

struct ByteSize {
  uint64_t bytes = 0;

  auto operator<=>(const ByteSize&) const = default;
};

constexpr ByteSize KiB(uint64_t count) { return {count << 10}; }
constexpr ByteSize MiB(uint64_t count) { return {count << 20}; }
constexpr ByteSize GiB(uint64_t count) { return {count << 30}; }

// A whole number and a unit, nothing else. INVALID_ARGUMENT says what was expected; decimal units
// (MB) are refused rather than guessed at.
absl::StatusOr<ByteSize> ParseByteSize(absl::string_view text);

// The shortest text that ParseByteSize reads as exactly this size.
std::string FormatByteSize(ByteSize size);

}  // namespace walden
