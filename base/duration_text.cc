#include "base/duration_text.h"

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"

namespace walden {

bool ParseDurationWithDays(absl::string_view text, absl::Duration* value) {
  const size_t unit = text.find('d');
  if (unit == absl::string_view::npos) return absl::ParseDuration(text, value);
  const absl::string_view number = text.substr(0, unit);
  const absl::string_view rest = text.substr(unit + 1);
  double days = 0;
  if (number.find_first_not_of("0123456789.") != absl::string_view::npos ||
      !absl::SimpleAtod(number, &days)) {
    return false;
  }
  absl::Duration less = absl::ZeroDuration();
  const bool has_rest = !rest.empty();
  if (has_rest && (!absl::ascii_isdigit(static_cast<unsigned char>(rest[0])) ||
                   !absl::ParseDuration(rest, &less))) {
    return false;
  }
  *value = days * absl::Hours(24) + less;
  return true;
}

}  // namespace walden
