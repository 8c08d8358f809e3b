#include "config/service_links.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"

namespace walden {
namespace {

bool IsNumber(absl::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return absl::ascii_isdigit(c); });
}

bool IsUrl(absl::string_view value) {
  return absl::StartsWith(value, "tcp://") || absl::StartsWith(value, "udp://") ||
         absl::StartsWith(value, "sctp://");
}

// "_PORT_7070_TCP" at the end of a name.
bool NamesPortAndProtocol(absl::string_view variable) {
  if (!absl::ConsumeSuffix(&variable, "_TCP") && !absl::ConsumeSuffix(&variable, "_UDP") &&
      !absl::ConsumeSuffix(&variable, "_SCTP")) {
    return false;
  }
  const size_t number = variable.rfind('_');
  return number != absl::string_view::npos && IsNumber(variable.substr(number + 1)) &&
         absl::EndsWith(variable.substr(0, number), "_PORT");
}

}  // namespace

bool IsServiceLink(absl::string_view variable, absl::string_view value) {
  if (absl::EndsWith(variable, "_SERVICE_HOST")) return true;
  if (absl::StrContains(variable, "_SERVICE_PORT")) return IsNumber(value);
  if (absl::EndsWith(variable, "_PORT") && IsUrl(value)) return true;
  for (const absl::string_view part : {"_PROTO", "_PORT", "_ADDR"}) {
    absl::string_view rest = variable;
    if (absl::ConsumeSuffix(&rest, part) && NamesPortAndProtocol(rest)) return true;
  }
  return NamesPortAndProtocol(variable);
}

}  // namespace walden
