#include "cli/console/wording.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
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

std::string RangeOrDash(uint64_t first, uint64_t last) {
  return first == 0 && last == 0 ? "-" : RangeText(first, last);
}

std::string Wrapped(absl::string_view text, size_t width) {
  std::string wrapped;
  size_t column = 0;
  for (const absl::string_view word :
       absl::StrSplit(text, absl::ByAnyChar(" \n"), absl::SkipEmpty())) {
    const bool fits = column + 1 + word.size() <= width;
    if (column > 0) wrapped += fits ? ' ' : '\n';
    column = column > 0 && fits ? column + 1 + word.size() : word.size();
    absl::StrAppend(&wrapped, word);
  }
  return wrapped;
}

}  // namespace walden::cli
