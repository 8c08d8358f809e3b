#include "engine/backup/manifest.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/error.h"
#include "engine/backup/backup_format.h"
#include "engine/backup/checked_json.h"
#include "engine/segment/format.h"

namespace walden::backup {
namespace {

constexpr absl::string_view kLog = "log";
constexpr absl::string_view kEntries = "entries";

// JSON in one line; text that is not UTF-8 gets replacement characters.
std::string Line(const Json& value) {
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  return text;
}

void AppendMember(std::string& text, absl::string_view name, const Json& value) {
  absl::StrAppend(&text, text == "{" ? "\n \"" : ",\n \"", name, "\": ", Line(value));
}

// A list with one line for each item.
void AppendList(std::string& text, absl::string_view name, const std::vector<std::string>& lines) {
  absl::StrAppend(&text, ",\n \"", name, "\": [");
  for (size_t i = 0; i < lines.size(); ++i) {
    absl::StrAppend(&text, i == 0 ? "\n  " : ",\n  ", lines[i]);
  }
  absl::StrAppend(&text, lines.empty() ? "]" : "\n ]");
}

std::string FileLine(const DataFile& file) {
  std::string text =
      absl::StrCat("{\"file\":\"", DataFileName(file.number), "\",\"bytes\":", file.bytes,
                   ",\"crc32c\":\"", CrcText(file.crc), "\",\"runs\":[");
  for (size_t i = 0; i < file.runs.size(); ++i) {
    const Run& run = file.runs[i];
    absl::StrAppend(&text, i == 0 ? "\n   " : ",\n   ",
                    Line(Json{{"table_id", run.table},
                              {"first", run.first},
                              {"last", run.last},
                              {"records", run.records},
                              {"payload_bytes", run.payload_bytes}}));
  }
  return absl::StrCat(text, "]}");
}

std::string TableLine(const TableCopy& table) {
  return Line(Json{{"table_id", table.table},
                   {"kind", std::string(table.kind == TableKind::kEntries ? kEntries : kLog)},
                   {"next_sequence", table.next},
                   {"deleted_through", table.deleted_through},
                   {"copied_through", table.copied_through},
                   {"copied_crc32c", CrcText(table.copied_crc)}});
}

std::string DamageLine(const TableDamage& damage) {
  return Line(Json{{"table_id", damage.table},
                   {"first_sequence", damage.range.first},
                   {"last_sequence", damage.range.last},
                   {"file", damage.range.file},
                   {"offset", damage.range.offset},
                   {"length", damage.range.length},
                   {"reason", damage.range.reason}});
}

uint32_t Crc(JsonMembers& members, const Json& object, const char* name) {
  uint32_t crc = 0;
  if (!ParseCrcText(members.Text(object, name), &crc)) {
    members.Refuse(absl::StrCat("member \"", name, "\" is not a checksum"));
  }
  return crc;
}

TableCopy ParseTable(JsonMembers& members, const Json& object) {
  TableCopy table;
  table.table = members.Number(object, "table_id");
  const std::string kind = members.Text(object, "kind");
  if (kind != kLog && kind != kEntries) members.Refuse("member \"kind\" is not log or entries");
  table.kind = kind == kEntries ? TableKind::kEntries : TableKind::kLog;
  table.next = members.Number(object, "next_sequence", kMaxSequenceNumber + 1);
  table.deleted_through = members.Number(object, "deleted_through", kMaxSequenceNumber);
  table.copied_through = members.Number(object, "copied_through", kMaxSequenceNumber);
  table.copied_crc = Crc(members, object, "copied_crc32c");
  if (table.next == 0 || table.deleted_through >= table.next ||
      table.copied_through >= table.next) {
    members.Refuse(absl::StrCat("the numbers of table ", table.table, " contradict each other"));
  }
  return table;
}

DataFile ParseFile(JsonMembers& members, const Json& object) {
  DataFile file;
  const std::string name = members.Text(object, "file");
  if (!ParseNumbered(name, kDataPrefix, &file.number)) {
    members.Refuse("member \"file\" is no data file's name");
  }
  file.bytes = members.Number(object, "bytes");
  file.crc = Crc(members, object, "crc32c");
  uint64_t end = kMagicBytes;
  for (const Json& item : members.Array(object, "runs")) {
    const Run run{.table = members.Number(item, "table_id"),
                  .first = members.Number(item, "first", kMaxSequenceNumber),
                  .last = members.Number(item, "last", kMaxSequenceNumber),
                  .records = members.Number(item, "records", UINT32_MAX),
                  .payload_bytes = members.Number(item, "payload_bytes", UINT64_MAX >> 8)};
    if (run.first == 0 || run.first > run.last || run.records == 0 ||
        run.records - 1 > run.last - run.first) {
      members.Refuse(absl::StrCat("the numbers of a run in ", name, " contradict each other"));
    }
    end += run.encoded_bytes();
    file.runs.push_back(run);
  }
  if (end != file.bytes) members.Refuse(absl::StrCat("the runs of ", name, " are not its bytes"));
  return file;
}

TableDamage ParseDamage(JsonMembers& members, const Json& object) {
  TableDamage damage;
  damage.table = members.Number(object, "table_id");
  damage.range.first = members.Number(object, "first_sequence");
  damage.range.last = members.Number(object, "last_sequence");
  damage.range.file = members.Text(object, "file");
  damage.range.offset = members.Number(object, "offset");
  damage.range.length = members.Number(object, "length");
  damage.range.reason = members.Text(object, "reason");
  return damage;
}

}  // namespace

uint64_t Run::encoded_bytes() const { return records * segment::kMinRecordBytes + payload_bytes; }

const TableCopy* Manifest::Find(TableId table) const {
  const auto found =
      std::lower_bound(tables.begin(), tables.end(), table,
                       [](const TableCopy& copy, TableId id) { return copy.table < id; });
  return found != tables.end() && found->table == table ? &*found : nullptr;
}

std::string RegionDirectory(const std::string& backup_directory, RegionId region) {
  return absl::StrCat(backup_directory, "/", kRegionPrefix, region);
}

std::string DataFileName(uint64_t number) { return absl::StrCat(kDataPrefix, number); }

bool ParseNumbered(absl::string_view name, absl::string_view prefix, uint64_t* number) {
  return absl::ConsumePrefix(&name, prefix) && absl::SimpleAtoi(name, number) &&
         absl::StrCat(*number) == name;
}

absl::StatusOr<Identity> ReadIdentity(FileSystem* files, const std::string& backup_directory) {
  const std::string path = absl::StrCat(backup_directory, "/", kIdentityFile);
  const auto read = ReadCheckedJson(files, path, kIdentityFormat);
  if (!read.ok()) return read.status();
  JsonMembers members(path);
  Identity identity;
  identity.namespace_id =
      static_cast<NamespaceId>(members.Number(read->object, "namespace_id", UINT8_MAX));
  identity.namespace_name = members.Text(read->object, "namespace");
  identity.address = members.Text(read->object, "daemon_address");
  if (!members.status().ok()) return members.status();
  return identity;
}

absl::Status WriteIdentity(FileSystem* files, const std::string& backup_directory,
                           const Identity& identity) {
  std::string text = "{";
  AppendMember(text, "format", std::string(kIdentityFormat));
  AppendMember(text, "version", kFormatVersion);
  AppendMember(text, "namespace_id", identity.namespace_id);
  AppendMember(text, "namespace", identity.namespace_name);
  AppendMember(text, "daemon_address", identity.address);
  return WriteCheckedJson(files, backup_directory, kIdentityFile, std::move(text));
}

absl::StatusOr<Manifest> ReadManifest(FileSystem* files, const std::string& region_directory,
                                      FileSystem::OpenMode mode) {
  const std::string path = absl::StrCat(region_directory, "/", kManifestFile);
  const auto read = ReadCheckedJson(files, path, kManifestFormat, mode);
  if (!read.ok()) return read.status();
  const Json& object = read->object;
  JsonMembers members(path);
  Manifest manifest;
  manifest.crc = read->crc;
  manifest.namespace_id =
      static_cast<NamespaceId>(members.Number(object, "namespace_id", UINT8_MAX));
  manifest.namespace_name = members.Text(object, "namespace");
  manifest.region = members.Number(object, "region_id");
  manifest.engine = members.Text(object, "engine");
  manifest.region_version = members.Number(object, "region_version");
  manifest.taken_at = members.Text(object, "taken_at");
  manifest.exact = members.Flag(object, "exact");
  manifest.next_file = members.Number(object, "next_file");
  for (const Json& item : members.Array(object, "tables")) {
    manifest.tables.push_back(ParseTable(members, item));
  }
  for (const Json& item : members.Array(object, "damaged")) {
    manifest.damage.push_back(ParseDamage(members, item));
  }
  for (const Json& item : members.Array(object, "files")) {
    manifest.files.push_back(ParseFile(members, item));
    if (manifest.files.back().number >= manifest.next_file) {
      members.Refuse("member \"next_file\" is not above every file's number");
    }
  }
  if (!members.status().ok()) return members.status();
  return manifest;
}

absl::Status WriteManifest(FileSystem* files, const std::string& region_directory,
                           const Manifest& manifest) {
  std::string text = "{";
  AppendMember(text, "format", std::string(kManifestFormat));
  AppendMember(text, "version", kFormatVersion);
  AppendMember(text, "namespace_id", manifest.namespace_id);
  AppendMember(text, "namespace", manifest.namespace_name);
  AppendMember(text, "region_id", manifest.region);
  AppendMember(text, "engine", manifest.engine);
  AppendMember(text, "region_version", manifest.region_version);
  AppendMember(text, "taken_at", manifest.taken_at);
  AppendMember(text, "exact", manifest.exact);
  AppendMember(text, "next_file", manifest.next_file);
  std::vector<std::string> lines;
  for (const TableCopy& table : manifest.tables) lines.push_back(TableLine(table));
  AppendList(text, "tables", lines);
  lines.clear();
  for (const TableDamage& damage : manifest.damage) lines.push_back(DamageLine(damage));
  AppendList(text, "damaged", lines);
  lines.clear();
  for (const DataFile& file : manifest.files) lines.push_back(FileLine(file));
  AppendList(text, "files", lines);
  return WriteCheckedJson(files, region_directory, kManifestFile, std::move(text));
}

}  // namespace walden::backup
