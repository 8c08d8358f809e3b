#include "cli/records/batch_lines.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "cli/console/units.h"
#include "cli/records/json_fields.h"
#include "nlohmann/json.hpp"

namespace walden::cli {
namespace {

struct BatchRecord {
  std::optional<uint64_t> table;
  std::optional<std::string> payload;
};

// Numbers that a double does not hold are printed as strings.
std::optional<uint64_t> ParseTableId(const Json& value) {
  if (value.is_number_unsigned()) return value.get<uint64_t>();
  return value.is_string() ? ParseNumber(value.get<std::string>()) : std::nullopt;
}

absl::Status TakeRecordField(const std::string& name, const Json& value, BatchRecord& record) {
  if (name == "sequence") return absl::OkStatus();  // Walden gives a new one
  if (name == "table") {
    record.table = ParseTableId(value);
    return record.table ? absl::OkStatus() : BadJson("\"table\" is not a table id");
  }
  if (name != "payload" && name != "payload_base64") {
    return BadJson(absl::StrCat("\"", name, "\" is no field of a record"));
  }
  if (record.payload) return BadJson("a record has \"payload\" and \"payload_base64\"");
  record.payload.emplace();
  return name == "payload" ? TakeBytes(value, name, &*record.payload)
                           : TakeBase64(value, name, &*record.payload);
}

absl::StatusOr<BatchRecord> RecordFromJson(const Json& object) {
  if (!object.is_object()) return BadJson("a record is not a JSON object");
  BatchRecord record;
  for (const auto& [name, value] : object.items()) {
    if (absl::Status taken = TakeRecordField(name, value, record); !taken.ok()) return taken;
  }
  if (!record.table) return BadJson("a record has no \"table\"");
  if (!record.payload) return BadJson("a record has no \"payload\"");
  return record;
}

}  // namespace

absl::StatusOr<std::vector<v1::TableAppend>> BatchFromJson(absl::string_view text) {
  Json batch = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (batch.is_object()) batch = Json::array({batch});
  if (!batch.is_array() || batch.empty()) {
    return BadJson("not a batch such as [{\"table\":1,\"payload\":\"a\"}]");
  }
  std::vector<v1::TableAppend> tables;
  absl::flat_hash_map<uint64_t, size_t> places;
  for (const Json& object : batch) {
    absl::StatusOr<BatchRecord> record = RecordFromJson(object);
    if (!record.ok()) return record.status();
    const auto [place, is_new] = places.try_emplace(*record->table, tables.size());
    if (is_new) tables.emplace_back().set_table_id(*record->table);
    tables[place->second].add_payloads(*std::move(record->payload));
  }
  return tables;
}

}  // namespace walden::cli
