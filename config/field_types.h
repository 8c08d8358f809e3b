// The types of configuration fields. Each type parses, prints and describes values in its range.
//
// A type has three functions. Parse(text) returns the value; its error is the rest of a sentence
// that begins with the value ("is below 1MiB"). Format(value) returns text that Parse reads as the
// same value. Allowed() describes the range for people.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/byte_size.h"

namespace walden {

template <typename T>
struct IntegerType {
  T minimum;
  T maximum;

  absl::StatusOr<T> Parse(absl::string_view text) const {
    uint64_t value = 0;
    if (text.size() > 1 && text[0] == '-' &&
        text.find_first_not_of("0123456789", 1) == absl::string_view::npos) {
      return absl::InvalidArgumentError(absl::StrCat("is below ", minimum));
    }
    if (text.empty() || text.find_first_not_of("0123456789") != absl::string_view::npos) {
      return absl::InvalidArgumentError("is not a whole number");
    }
    if (!absl::SimpleAtoi(text, &value) || value > maximum) {
      return absl::InvalidArgumentError(absl::StrCat("is above ", maximum));
    }
    if (value < minimum) return absl::InvalidArgumentError(absl::StrCat("is below ", minimum));
    return static_cast<T>(value);
  }
  std::string Format(T value) const { return absl::StrCat(value); }
  std::string Allowed() const { return absl::StrCat(minimum, " to ", maximum); }
};

struct ByteSizeType {
  ByteSize minimum;
  ByteSize maximum;

  absl::StatusOr<ByteSize> Parse(absl::string_view text) const;
  std::string Format(ByteSize value) const { return FormatByteSize(value); }
  std::string Allowed() const;
};

// A number with us, ms, s, m, h or d, or several of them: 10ms, 1h30m, 30d.
struct DurationType {
  absl::Duration minimum;
  absl::Duration maximum;

  absl::StatusOr<absl::Duration> Parse(absl::string_view text) const;
  std::string Format(absl::Duration value) const;
  std::string Allowed() const;
};

template <typename Enum>
struct ChoiceType {
  std::vector<std::pair<absl::string_view, Enum>> choices;
  // Words that are known and refused, with the reason.
  std::vector<std::pair<absl::string_view, absl::string_view>> refused = {};

  absl::StatusOr<Enum> Parse(absl::string_view text) const {
    for (const auto& [word, value] : choices) {
      if (word == text) return value;
    }
    for (const auto& [word, reason] : refused) {
      if (word == text) return absl::InvalidArgumentError(reason);
    }
    return absl::InvalidArgumentError("is not one of the known words");
  }
  std::string Format(Enum value) const {
    for (const auto& [word, candidate] : choices) {
      if (candidate == value) return std::string(word);
    }
    return absl::StrCat(static_cast<int>(value));  // not a value of the type
  }
  std::string Allowed() const {
    return absl::StrJoin(choices, " or ", [](std::string* out, const auto& choice) {
      absl::StrAppend(out, choice.first);
    });
  }
};

// A path: any text without control characters.
struct PathType {
  absl::StatusOr<std::string> Parse(absl::string_view text) const;
  std::string Format(const std::string& value) const { return value; }
  std::string Allowed() const { return "a path"; }
};

// A path, or nothing.
struct OptionalPathType {
  absl::StatusOr<std::string> Parse(absl::string_view text) const {
    return text.empty() ? std::string() : PathType{}.Parse(text);
  }
  std::string Format(const std::string& value) const { return value; }
  std::string Allowed() const { return "a path, or nothing"; }
};

// A namespace's name, which is also a directory's.
struct NameType {
  absl::StatusOr<std::string> Parse(absl::string_view text) const;
  std::string Format(const std::string& value) const { return value; }
  std::string Allowed() const { return "1 to 64 of a-z, 0-9, _ and -"; }
};

// The name of a group of users, or nothing.
struct OptionalGroupType {
  absl::StatusOr<std::string> Parse(absl::string_view text) const { return std::string(text); }
  std::string Format(const std::string& value) const { return value; }
  std::string Allowed() const { return "the name of a group, or nothing"; }
};

// host:port, [IPv6 address]:port or unix:path.
struct AddressType {
  absl::StatusOr<std::string> Parse(absl::string_view text) const;
  std::string Format(const std::string& value) const { return value; }
  std::string Allowed() const { return "host:port, [IPv6 address]:port or unix:/path"; }
};

// The name of a host, without a port.
struct HostNameType {
  absl::StatusOr<std::string> Parse(absl::string_view text) const;
  std::string Format(const std::string& value) const { return value; }
  std::string Allowed() const { return "host name without a port"; }
};

// host:port or [IPv6 address]:port.
struct TcpAddressType {
  absl::StatusOr<std::string> Parse(absl::string_view text) const;
  std::string Format(const std::string& value) const { return value; }
  std::string Allowed() const { return "host:port or [IPv6 address]:port"; }
};

}  // namespace walden
