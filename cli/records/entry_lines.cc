#include "cli/records/entry_lines.h"

#include <cstdint>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "cli/console/failure.h"
#include "cli/console/json.h"
#include "nlohmann/json.hpp"

namespace walden::cli {
namespace {

absl::Status BadInput(absl::string_view problem) {
  return Failure(absl::StatusCode::kInvalidArgument, kReasonBadInput, problem);
}

absl::Status TakeBytes(const Json& value, const std::string& name, std::string* to) {
  if (!value.is_string()) return BadInput(absl::StrCat("\"", name, "\" is not a string"));
  *to = value.get<std::string>();
  return absl::OkStatus();
}

absl::Status TakeBase64(const Json& value, const std::string& name, std::string* to) {
  std::string text;
  if (absl::Status taken = TakeBytes(value, name, &text); !taken.ok()) return taken;
  return absl::Base64Unescape(text, to) ? absl::OkStatus()
                                        : BadInput(absl::StrCat("\"", name, "\" is not base64"));
}

absl::Status TakeField(const std::string& name, const Json& value, v1::Entry* entry) {
  if (name == "key") return TakeBytes(value, name, entry->mutable_key());
  if (name == "key_base64") return TakeBase64(value, name, entry->mutable_key());
  if (name == "value") return TakeBytes(value, name, entry->mutable_value());
  if (name == "value_base64") return TakeBase64(value, name, entry->mutable_value());
  if (name == "sequence") return absl::OkStatus();  // Walden gives a new one
  if (name == "tombstone") {
    if (!value.is_boolean()) return BadInput("\"tombstone\" is not true or false");
    entry->set_tombstone(value.get<bool>());
    return absl::OkStatus();
  }
  if (name != "created_unix_ms" && name != "expires_unix_ms") {
    return BadInput(absl::StrCat("\"", name, "\" is no field of an entry"));
  }
  int64_t millis = 0;  // a string where JSON numbers are not exact
  if (value.is_number_unsigned() && value.get<uint64_t>() > INT64_MAX) {
    return BadInput(absl::StrCat("\"", name, "\" is above ", INT64_MAX));
  }
  if (value.is_number_integer()) {
    millis = value.get<int64_t>();
  } else if (!value.is_string() || !absl::SimpleAtoi(value.get<std::string>(), &millis)) {
    return BadInput(absl::StrCat("\"", name, "\" is not an integer"));
  }
  if (name == "created_unix_ms") {
    entry->set_created_unix_ms(millis);
  } else {
    entry->set_expires_unix_ms(millis);
  }
  return absl::OkStatus();
}

}  // namespace

std::string EntryLine(EntryFormat format, const v1::Entry& entry) {
  switch (format) {
    case EntryFormat::kValue:
      return absl::StrCat(entry.value(), "\n");
    case EntryFormat::kKeyValue:
      return absl::StrCat(entry.key(), "\t", entry.value(), "\n");
    case EntryFormat::kVersions:
      if (entry.tombstone()) return absl::StrCat(entry.sequence(), "\t", entry.key(), "\n");
      return absl::StrCat(entry.sequence(), "\t", entry.key(), "\t", entry.value(), "\n");
    case EntryFormat::kJson:
      break;
  }
  return JsonLine(ToJson(entry));
}

absl::StatusOr<v1::Entry> EntryFromJson(absl::string_view line) {
  const Json object = Json::parse(line.begin(), line.end(), nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return BadInput("not a JSON object");
  v1::Entry entry;
  for (const auto& [name, value] : object.items()) {
    if (absl::Status taken = TakeField(name, value, &entry); !taken.ok()) return taken;
  }
  return entry;
}

}  // namespace walden::cli
