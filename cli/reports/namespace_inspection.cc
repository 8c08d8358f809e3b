#include "cli/reports/namespace_inspection.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/console/text_table.h"
#include "cli/console/units.h"
#include "cli/console/wording.h"
#include "nlohmann/json.hpp"

namespace walden::cli {
namespace {

using rocks::CheckedFile;
using rocks::InspectedNamespace;
using rocks::InspectedTable;

std::string TablesText(const InspectedNamespace& space) {
  TextTable tables({">region", ">table", ">live", ">next", ">deleted through"});
  for (const InspectedTable& table : space.tables) {
    const TableState& state = table.state;
    tables.AddRow({absl::StrCat(table.region), absl::StrCat(state.table),
                   state.first_live == 0 ? "-" : RangeText(state.first_live, state.last_live),
                   absl::StrCat(state.next), absl::StrCat(state.deleted_through)});
  }
  return tables.ToString();
}

std::string FilesText(const InspectedNamespace& space) {
  TextTable files({"file", ">size", ">entries", ""});
  for (const CheckedFile& file : space.files) {
    const bool torn = file.torn_end > file.torn_begin;
    files.AddRow({file.name, FormatBytes(file.bytes), FormatCount(file.entries),
                  !file.damage.empty() ? "DAMAGED"
                  : torn               ? "torn tail"
                                       : ""});
  }
  return files.ToString();
}

std::string FindingsText(const InspectedNamespace& space) {
  std::string text;
  for (const CheckedFile& file : space.files) {
    for (const DamagedRange& damage : file.damage) {
      absl::StrAppend(&text, damage.file, ": damaged: bytes [", damage.offset, ", ",
                      damage.offset + damage.length, "): ", damage.reason, "\n");
    }
    if (file.torn_end > file.torn_begin) {
      absl::StrAppend(&text, file.name, ": torn tail: bytes [", file.torn_begin, ", ",
                      file.torn_end, "); the next opening cuts it off and keeps it\n");
    }
  }
  for (const std::string& file : space.evidence_files) {
    absl::StrAppend(&text, file, ": cut off by an earlier opening\n");
  }
  return text;
}

Json FileJson(const CheckedFile& file) {
  Json json;
  json["file"] = file.name;
  json["bytes"] = file.bytes;
  json["entries"] = file.entries;
  json["damaged_ranges"] = Json::array();
  for (const DamagedRange& damage : file.damage) {
    json["damaged_ranges"].push_back({{"file", damage.file},
                                      {"offset", damage.offset},
                                      {"length", damage.length},
                                      {"description", damage.reason}});
  }
  if (file.torn_end > file.torn_begin) {
    json["torn_tail"] = {{"offset", file.torn_begin}, {"length", file.torn_end - file.torn_begin}};
  }
  return json;
}

}  // namespace

size_t DamageCount(const InspectedNamespace& space) {
  size_t count = 0;
  for (const CheckedFile& file : space.files) count += file.damage.size();
  return count == 0 && !(space.opened.ok() && space.checked.ok()) ? 1 : count;
}

std::string InspectionText(const InspectedNamespace& space) {
  std::string text = "engine rocksdb, ";
  if (space.namespace_ids.empty()) {
    absl::StrAppend(&text, "no records\n");
  } else {
    absl::StrAppend(&text, "records of namespace ", absl::StrJoin(space.namespace_ids, ", "), "\n");
  }
  if (!space.opened.ok()) {
    absl::StrAppend(&text, "RocksDB cannot be opened, what follows comes from single files: ",
                    space.opened.message(), "\n");
  }
  if (!space.checked.ok()) {
    absl::StrAppend(&text, "not as Walden left it: ", space.checked.message(), "\n");
  }
  for (const std::string& part : {TablesText(space), FilesText(space), FindingsText(space)}) {
    if (!part.empty()) absl::StrAppend(&text, "\n", part);
  }
  return text;
}

Json InspectionJson(const InspectedNamespace& space) {
  Json json;
  json["engine"] = "rocksdb";
  json["namespace_ids"] = Json::array();
  for (const NamespaceId id : space.namespace_ids) json["namespace_ids"].push_back(int{id});
  if (!space.opened.ok()) json["open_error"] = std::string(space.opened.message());
  if (!space.checked.ok()) json["check_error"] = std::string(space.checked.message());
  json["tables"] = Json::array();
  for (const InspectedTable& table : space.tables) {
    json["tables"].push_back({{"region_id", table.region},
                              {"table_id", table.state.table},
                              {"next_sequence", table.state.next},
                              {"deleted_through", table.state.deleted_through},
                              {"first_live_sequence", table.state.first_live},
                              {"last_live_sequence", table.state.last_live}});
  }
  json["files"] = Json::array();
  for (const CheckedFile& file : space.files) json["files"].push_back(FileJson(file));
  json["evidence_files"] = space.evidence_files;
  return json;
}

}  // namespace walden::cli
