#include "cli/console/units.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/civil_time.h"
#include "base/duration_text.h"

namespace walden::cli {

std::optional<uint64_t> ParseNumber(absl::string_view text) {
  const bool digits_only =
      !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
  uint64_t number = 0;
  if (!digits_only || !absl::SimpleAtoi(text, &number)) return std::nullopt;
  return number;
}

std::optional<absl::Duration> ParseDuration(absl::string_view text) {
  absl::Duration duration;
  if (!ParseDurationWithDays(text, &duration) || duration < absl::ZeroDuration()) {
    return std::nullopt;
  }
  return duration;
}

std::optional<absl::Time> ParseTime(absl::string_view text) {
  const absl::Time first = absl::FromCivil(absl::CivilYear(1), absl::UTCTimeZone());
  const absl::Time end = absl::FromCivil(absl::CivilYear(10'000), absl::UTCTimeZone());
  absl::Time time;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, text, &time, &error)) return std::nullopt;
  if (time < first || time >= end) return std::nullopt;
  return time;
}

std::string FormatMoment(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", time, absl::UTCTimeZone());
}

std::string FormatBytes(uint64_t bytes) {
  if (bytes < 1024) return absl::StrCat(bytes, " B");
  constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  for (; value >= 1023.95 && unit + 1 < std::size(kUnits); ++unit) value /= 1024;
  return absl::StrFormat("%.1f %s", value, kUnits[unit]);
}

std::string FormatCount(uint64_t count) {
  std::string digits = absl::StrCat(count);
  for (size_t from_end = 3; from_end < digits.size(); from_end += 4) {
    digits.insert(digits.size() - from_end, 1, ',');
  }
  return digits;
}

std::string FormatRate(double per_second) {
  if (!std::isfinite(per_second) || per_second < 0) return "0";
  if (per_second < 10) return absl::StrFormat("%.1f", per_second);
  return FormatCount(static_cast<uint64_t>(std::llround(per_second)));
}

std::string FormatTime(absl::Duration time) {
  struct Unit {
    absl::Duration one;
    const char* name;
  };
  const Unit units[] = {
      {absl::Seconds(1), "s"}, {absl::Milliseconds(1), "ms"}, {absl::Microseconds(1), "us"}};
  for (const Unit& unit : units) {
    const double value = absl::FDivDuration(time, unit.one);
    if (value < 1 && unit.one != absl::Microseconds(1)) continue;
    return absl::StrFormat("%.*f %s", value < 10 ? 2 : value < 100 ? 1 : 0, value, unit.name);
  }
  return "0 us";
}

std::string FormatAge(absl::Duration age) {
  const int64_t seconds = std::max<int64_t>(0, absl::ToInt64Seconds(age));
  constexpr int64_t kMinute = 60;
  constexpr int64_t kHour = 60 * kMinute;
  constexpr int64_t kDay = 24 * kHour;
  if (seconds < kMinute) return absl::StrCat(seconds, "s");
  if (seconds < kHour) return absl::StrCat(seconds / kMinute, "m ", seconds % kMinute, "s");
  if (seconds < kDay) return absl::StrCat(seconds / kHour, "h ", seconds % kHour / kMinute, "m");
  return absl::StrCat(FormatCount(static_cast<uint64_t>(seconds / kDay)), "d ",
                      seconds % kDay / kHour, "h");
}

}  // namespace walden::cli
