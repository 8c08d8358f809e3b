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

// "10s", "250ms", "1m30s", "7d", "1d12h"; not negative.
std::optional<absl::Duration> ParseDuration(absl::string_view text);

// A moment as RFC 3339 has it, with its zone: "2026-11-30T15:04:05Z",
// "2026-11-30T16:04:05.5+01:00". Of the years 1 to 9999, which are those of
// google.protobuf.Timestamp.
std::optional<absl::Time> ParseTime(absl::string_view text);

// "2026-11-30T15:04:05.5Z": UTC, with as many digits of a second as there are.
std::string FormatMoment(absl::Time time);

std::string FormatBytes(uint64_t bytes);      // "64.0 MiB"
std::string FormatCount(uint64_t count);      // "1,234,567"
std::string FormatRate(double per_second);    // "1,234"
std::string FormatTime(absl::Duration time);  // "1.23 ms", three digits
std::string FormatAge(absl::Duration age);    // "4s", "12m 3s", "5h 12m", "3d 4h"

}  // namespace walden::cli
