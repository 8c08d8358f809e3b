#include "cli/console/value_checks.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/byte_size.h"
#include "base/nearest_name.h"
#include "cli/console/units.h"

namespace walden::cli {

ValueCheck Number(uint64_t min, uint64_t max) {
  return [min, max](std::string& text) {
    const auto number = ParseNumber(text);
    if (!number.has_value() || *number < min || *number > max) {
      return absl::StrCat("\"", text, "\" is not a number from ", min, " to ", max);
    }
    text = absl::StrCat(*number);
    return std::string();
  };
}

ValueCheck ByteSize(uint64_t min, uint64_t max) {
  return [min, max](std::string& text) {
    const auto bytes = ParseByteSize(text);
    if (!bytes.ok() || bytes->bytes < min || bytes->bytes > max) {
      return absl::StrCat("\"", text, "\" is not a size from ", FormatByteSize({min}), " to ",
                          FormatByteSize({max}), ", such as 4096, 64KiB or 1MiB");
    }
    text = absl::StrCat(bytes->bytes);
    return std::string();
  };
}

ValueCheck Millis() {
  return [](std::string& text) {
    const auto duration = ParseDuration(text);
    if (!duration.has_value() || *duration < absl::Milliseconds(1) ||
        *duration > absl::Hours(24 * 365)) {
      return absl::StrCat("\"", text, "\" is not a duration from 1ms to 8760h, such as 10s");
    }
    text = absl::StrCat(absl::ToInt64Milliseconds(*duration));
    return std::string();
  };
}

namespace {

constexpr char kExampleMoment[] = "2026-11-30T15:04:05Z";
// A hundred years: no sum with the time of today leaves what a Timestamp holds.
constexpr absl::Duration kLongestFromNow = absl::Hours(24 * 365 * 100);

// Rewrites the text as milliseconds since the Unix epoch; false if these do not count from 0 up.
bool TakeMoment(absl::Time time, std::string& text) {
  if (time < absl::UnixEpoch()) return false;
  text = absl::StrCat(absl::ToUnixMillis(time));
  return true;
}

bool TakeTime(std::string& text) {
  const auto time = ParseTime(text);
  return time.has_value() && TakeMoment(*time, text);
}

// `direction`: 1 = after now, -1 = before now.
bool TakeDurationFromNow(int direction, std::string& text) {
  const auto duration = ParseDuration(text);
  if (!duration.has_value() || *duration > kLongestFromNow) return false;
  return TakeMoment(absl::Now() + direction * *duration, text);
}

ValueCheck MomentOrDuration(int direction) {
  return [direction](std::string& text) {
    if (TakeTime(text) || TakeDurationFromNow(direction, text)) return std::string();
    return absl::StrCat(
        "\"", text,
        "\" is neither a duration, such as 10m or 7d, nor a time from 1970 on, such as ",
        kExampleMoment);
  };
}

}  // namespace

ValueCheck PastMoment() { return MomentOrDuration(-1); }
ValueCheck FutureMoment() { return MomentOrDuration(1); }

ValueCheck Moment() {
  return [](std::string& text) {
    if (TakeTime(text)) return std::string();
    return absl::StrCat("\"", text, "\" is not a time from 1970 on, such as ", kExampleMoment);
  };
}

ValueCheck Age() {
  return [](std::string& text) {
    if (TakeDurationFromNow(-1, text)) return std::string();
    return absl::StrCat("\"", text, "\" is not a duration from 0s to 36500d, such as 10m or 7d");
  };
}

ValueCheck NamespaceName() {
  return [](std::string& name) {
    const bool known =
        name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") == std::string::npos;
    if (known && !name.empty() && name.size() <= 64) return std::string();
    return absl::StrCat("\"", name, "\" is not a namespace's name: 1 to 64 of a-z, 0-9, _ and -");
  };
}

ValueCheck NamespaceIdOrName() {
  return [](std::string& text) {
    const bool is_number =
        !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
    return is_number ? Number(1, 255)(text) : NamespaceName()(text);
  };
}

ValueCheck OneOf(std::vector<std::string> words) {
  return [words = std::move(words)](std::string& text) {
    if (std::find(words.begin(), words.end(), text) != words.end()) return std::string();
    return absl::StrCat("\"", text, "\" is not ", words.size() == 1 ? "" : "one of ",
                        absl::StrJoin(words, ", "), DidYouMean(text, words));
  };
}

}  // namespace walden::cli
