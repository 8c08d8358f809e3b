#include "config/config_problems.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace walden {

void ConfigProblems::Add(absl::string_view where, absl::string_view key, absl::string_view what) {
  lines_.push_back(absl::StrCat(where, ": ", key, key.empty() ? "" : ": ", what));
  keys_.insert(std::string(key));
}

void ConfigProblems::AddValue(absl::string_view where, absl::string_view key,
                              absl::string_view value, absl::string_view what,
                              absl::string_view allowed) {
  constexpr size_t kShownBytes = 100;
  const absl::string_view shown = value.substr(0, kShownBytes);
  Add(where, key,
      absl::StrCat("\"", absl::Utf8SafeCEscape(shown), shown.size() < value.size() ? "..." : "",
                   "\" ", what, "; allowed: ", allowed));
}

absl::Status ConfigProblems::ToStatus() const {
  if (lines_.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrJoin(lines_, "\n"));
}

}  // namespace walden
