#include "cli/records/entry_lines.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "cli/console/json.h"
#include "cli/console/message_times.h"
#include "cli/console/units.h"
#include "cli/records/json_fields.h"
#include "nlohmann/json.hpp"

namespace walden::cli {
namespace {

absl::Status TakeTime(const Json& value, const std::string& name, google::protobuf::Timestamp* to) {
  const auto time = value.is_string() ? ParseTime(value.get<std::string>()) : std::nullopt;
  if (!time.has_value()) {
    return BadJson(absl::StrCat("\"", name, "\" is not a time such as \"2026-11-30T15:04:05Z\""));
  }
  *to = TimestampOf(*time);
  return absl::OkStatus();
}

absl::Status TakeField(const std::string& name, const Json& value, v1::Entry* entry) {
  if (name == "key") return TakeBytes(value, name, entry->mutable_key());
  if (name == "key_base64") return TakeBase64(value, name, entry->mutable_key());
  if (name == "value") return TakeBytes(value, name, entry->mutable_value());
  if (name == "value_base64") return TakeBase64(value, name, entry->mutable_value());
  if (name == "sequence") return absl::OkStatus();  // Walden gives a new one
  if (name == "tombstone") {
    if (!value.is_boolean()) return BadJson("\"tombstone\" is not true or false");
    entry->set_tombstone(value.get<bool>());
    return absl::OkStatus();
  }
  if (name == "create_time") return TakeTime(value, name, entry->mutable_create_time());
  if (name == "expire_time") return TakeTime(value, name, entry->mutable_expire_time());
  return BadJson(absl::StrCat("\"", name, "\" is no field of an entry"));
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
  if (!object.is_object()) return BadJson("not a JSON object");
  v1::Entry entry;
  for (const auto& [name, value] : object.items()) {
    if (absl::Status taken = TakeField(name, value, &entry); !taken.ok()) return taken;
  }
  return entry;
}

}  // namespace walden::cli
