// Numbers with units, as people write and read them.
//
// Everything here is safe from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace walden::cli {

// Decimal digits only: no sign, no octal, no hexadecimal, no overflow.
std::optional<uint64_t> ParseNumber(absl::string_view text);

// "10s", "250ms", "1m30s"; not negative.
std::optional<absl::Duration> ParseDuration(absl::string_view text);

std::string FormatBytes(uint64_t bytes);      // "64.0 MiB"
std::string FormatCount(uint64_t count);      // "1,234,567"
std::string FormatRate(double per_second);    // "1,234"
std::string FormatTime(absl::Duration time);  // "1.23 ms", three digits
std::string FormatAge(absl::Duration age);    // "4s", "12m 3s", "5h 12m", "3d 4h"

}  // namespace walden::cli
