#include "config/field_types.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "base/duration_text.h"

namespace walden {
namespace {

// sockaddr_un holds 108 bytes with the terminating zero.
constexpr size_t kMaxUnixPathBytes = 107;

template <typename T>
absl::StatusOr<T> CheckRange(T value, T minimum, T maximum, std::string (*format)(T)) {
  if (value < minimum) {
    return absl::InvalidArgumentError(absl::StrCat("is below ", format(minimum)));
  }
  if (value > maximum) {
    return absl::InvalidArgumentError(absl::StrCat("is above ", format(maximum)));
  }
  return value;
}

constexpr absl::Duration kDay = absl::Hours(24);

// Formats two or more whole days as days, and other durations as absl::FormatDuration.
std::string FormatDurationWithDays(absl::Duration value) {
  const int64_t days = value / kDay;
  return days >= 2 && days * kDay == value ? absl::StrCat(days, "d") : absl::FormatDuration(value);
}

bool IsBareNumber(absl::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789.") == absl::string_view::npos;
}

bool HasControlCharacter(absl::string_view text) {
  for (const char c : text) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<ByteSize> ByteSizeType::Parse(absl::string_view text) const {
  // A number without a unit is refused: 64 may be meant as MiB.
  if (IsBareNumber(text)) {
    return absl::InvalidArgumentError(
        "has no unit: expected a whole number with B, KiB, MiB, GiB or TiB, for example 64MiB");
  }
  absl::StatusOr<ByteSize> size = ParseByteSize(text);
  if (!size.ok()) return size;
  return CheckRange(*size, minimum, maximum, FormatByteSize);
}

std::string ByteSizeType::Allowed() const {
  return absl::StrCat(FormatByteSize(minimum), " to ", FormatByteSize(maximum));
}

absl::StatusOr<absl::Duration> DurationType::Parse(absl::string_view text) const {
  absl::Duration value;
  if (!ParseDurationWithDays(text, &value)) {
    return absl::InvalidArgumentError(
        absl::StrCat(IsBareNumber(text) ? "has no unit" : "is not a duration",
                     ": expected a number with us, ms, s, m, h or d, for example 10ms or 30d"));
  }
  return CheckRange(value, minimum, maximum, FormatDurationWithDays);
}

std::string DurationType::Format(absl::Duration value) const {
  return FormatDurationWithDays(value);
}

std::string DurationType::Allowed() const {
  return absl::StrCat(Format(minimum), " to ", Format(maximum));
}

absl::StatusOr<std::string> PathType::Parse(absl::string_view text) const {
  if (text.empty()) return absl::InvalidArgumentError("is empty");
  if (HasControlCharacter(text)) {
    return absl::InvalidArgumentError("contains a control character");
  }
  return std::string(text);
}

absl::StatusOr<std::string> NameType::Parse(absl::string_view text) const {
  if (text.empty()) return absl::InvalidArgumentError("is empty");
  if (text.size() > 64) return absl::InvalidArgumentError("is longer than 64 characters");
  for (const char c : text) {
    if (!absl::ascii_islower(c) && !absl::ascii_isdigit(c) && c != '_' && c != '-') {
      return absl::InvalidArgumentError(absl::StrCat("contains '", absl::string_view(&c, 1), "'"));
    }
  }
  return std::string(text);
}

absl::StatusOr<std::string> AddressType::Parse(absl::string_view text) const {
  if (HasControlCharacter(text) || absl::StrContains(text, ' ') || absl::StrContains(text, ',')) {
    return absl::InvalidArgumentError("contains a space, a comma or a control character");
  }
  absl::string_view path = text;
  if (absl::ConsumePrefix(&path, "unix:")) {
    if (path.empty()) return absl::InvalidArgumentError("has no path after unix:");
    if (path.size() > kMaxUnixPathBytes) {
      return absl::InvalidArgumentError(absl::StrCat(
          "has a socket path of ", path.size(), " bytes, above the system's ", kMaxUnixPathBytes));
    }
    return std::string(text);
  }
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) return absl::InvalidArgumentError("has no port");
  const absl::string_view host = text.substr(0, colon);
  if (host.empty()) {
    return absl::InvalidArgumentError("has no host: write 0.0.0.0 or [::] for every address");
  }
  if (absl::StartsWith(host, "[") != absl::EndsWith(host, "]") ||
      (absl::StrContains(host, ':') && !absl::StartsWith(host, "["))) {
    return absl::InvalidArgumentError("is not an address: IPv6 is written [::1]:7070");
  }
  const absl::StatusOr<uint32_t> port =
      IntegerType<uint32_t>{0, 65535}.Parse(text.substr(colon + 1));
  if (!port.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("has a port that ", port.status().message()));
  }
  return std::string(text);
}

absl::StatusOr<std::string> HostNameType::Parse(absl::string_view text) const {
  if (text.empty()) return absl::InvalidArgumentError("is empty");
  for (const char c : text) {
    if (!absl::ascii_isalnum(c) && c != '.' && c != '-' && c != '_') {
      return absl::InvalidArgumentError(absl::StrCat("contains '", absl::string_view(&c, 1), "'"));
    }
  }
  return std::string(text);
}

absl::StatusOr<std::string> TcpAddressType::Parse(absl::string_view text) const {
  if (absl::StartsWith(text, "unix:")) {
    return absl::InvalidArgumentError("is a unix socket, which HTTP is not served on");
  }
  return AddressType{}.Parse(text);
}

}  // namespace walden
