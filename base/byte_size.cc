#include "base/byte_size.h"

#include <array>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace walden {
namespace {

struct Unit {
  absl::string_view name;
  unsigned shift;
};

constexpr std::array<Unit, 5> kUnits = {
    {{"TiB", 40}, {"GiB", 30}, {"MiB", 20}, {"KiB", 10}, {"B", 0}}};

constexpr absl::string_view kExpected =
    "a whole number with B, KiB, MiB, GiB or TiB, for example 64MiB";

}  // namespace

absl::StatusOr<ByteSize> ParseByteSize(absl::string_view text) {
  size_t digits = 0;
  while (digits < text.size() && absl::ascii_isdigit(text[digits])) ++digits;
  uint64_t count = 0;
  if (digits == 0) {
    return absl::InvalidArgumentError(absl::StrCat("is not a size: expected ", kExpected));
  }
  absl::string_view unit_name = absl::StripAsciiWhitespace(text.substr(digits));
  if (digits == text.size()) unit_name = "B";
  for (const Unit& unit : kUnits) {
    if (unit_name != unit.name) continue;
    if (!absl::SimpleAtoi(text.substr(0, digits), &count) || count > (UINT64_MAX >> unit.shift)) {
      return absl::InvalidArgumentError("is a size beyond 64 bits");
    }
    return ByteSize{count << unit.shift};
  }
  if (unit_name.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("ends with a space: expected ", kExpected));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("has the unknown unit \"", unit_name, "\": expected ", kExpected));
}

std::string FormatByteSize(ByteSize size) {
  for (const Unit& unit : kUnits) {
    const uint64_t count = size.bytes >> unit.shift;
    if (count > 0 && count << unit.shift == size.bytes) return absl::StrCat(count, unit.name);
  }
  return "0B";
}

}  // namespace walden
