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

// A whole number with a unit: "64MiB" or "64 MiB". A number alone, "4096", is in bytes. Decimal
// units (MB) are refused, not guessed at: INVALID_ARGUMENT says what was expected.
absl::StatusOr<ByteSize> ParseByteSize(absl::string_view text);

// The shortest text that ParseByteSize reads as this size.
std::string FormatByteSize(ByteSize size);

}  // namespace walden
