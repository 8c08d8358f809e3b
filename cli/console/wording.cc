#include "cli/console/wording.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cli/console/units.h"

namespace walden::cli {

std::string Counted(uint64_t count, absl::string_view noun) {
  const std::string number = FormatCount(count);
  if (count == 1) return absl::StrCat(number, " ", noun);
  if (absl::EndsWith(noun, "ch")) return absl::StrCat(number, " ", noun, "es");
  if (absl::ConsumeSuffix(&noun, "y")) return absl::StrCat(number, " ", noun, "ies");
  return absl::StrCat(number, " ", noun, "s");
}

std::string RangeText(uint64_t first, uint64_t last) {
  return first == last ? absl::StrCat(first) : absl::StrCat(first, "..", last);
}

}  // namespace walden::cli
