#include "engine/rocksdb/directory/inspect.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/rocksdb/companion/companion_file.h"
#include "engine/rocksdb/companion/companion_format.h"
#include "engine/rocksdb/directory/directory_check.h"
#include "engine/rocksdb/keys/key_codec.h"
#include "engine/rocksdb/keys/table_seek.h"
#include "engine/rocksdb/options/options.h"
#include "engine/rocksdb/options/rocksdb_errors.h"

namespace walden::rocks {
namespace {

absl::Status ReadTables(rocksdb::DB& db, const std::string& shown, InspectedNamespace& inspected) {
  std::map<std::pair<RegionId, TableId>, TableState> tables;
  absl::Status status = ForEachKey(db, MetaBegin(KeyType::kTable), MetaEnd(KeyType::kTable), shown,
                                   [&](absl::string_view key, absl::string_view value) {
                                     const auto table = DecodeTable(key, value);
                                     if (!table) return false;
                                     tables[{table->region, table->table}] = {
                                         .table = table->table,
                                         .next = table->deleted_through + 1,
                                         .deleted_through = table->deleted_through,
                                         .kind = table->kind};
                                     return true;
                                   });
  uint64_t keys_read = 0;
  std::vector<std::pair<NamespaceId, FoundTable>> marked;
  for (int id = kFirstLogNamespace; id <= UINT8_MAX && status.ok(); ++id) {
    const auto ns = static_cast<NamespaceId>(id);
    bool has_records = false;
    status = SeekTables(db, ns, NamespaceBegin(ns), NamespaceEnd(ns), shown, &keys_read,
                        [&](const FoundTable& found) {
                          has_records = true;
                          TableState& state = tables[{found.region, found.table}];
                          state.table = found.table;
                          state.next = std::max(state.next, found.last + 1);
                          state.first_live = found.first;
                          state.last_live = found.last;
                          // Deleted records stay until a compaction removes them.
                          if (found.first <= state.deleted_through) marked.push_back({ns, found});
                        });
    if (has_records) inspected.namespace_ids.push_back(ns);
  }
  for (const auto& [ns, found] : marked) {
    if (!status.ok()) return status;
    TableState& state = tables[{found.region, found.table}];
    status = FirstRecordAbove(db, {ns, found.region, found.table, state.deleted_through}, shown,
                              &state.first_live);
    if (state.first_live == 0) state.last_live = 0;
  }
  for (const auto& [key, state] : tables) inspected.tables.push_back({key.first, state});
  return status;
}

// Compares the directory with its companion file, for any namespace. OK without a companion file.
absl::Status CompareWithCompanion(FileSystem* files, const std::string& directory,
                                  KnownLogs& logs) {
  const auto companion = ReadCompanion(files, directory, directory);
  if (!companion.ok() || !*companion) return companion.status();
  const CheckedPlace place = {.files = files,
                              .directory = directory,
                              .shown_directory = directory,
                              .namespace_id = (*companion)->namespace_id,
                              .namespace_name = (*companion)->namespace_name};
  auto checked = CheckDirectory(place);
  if (!checked.ok()) return checked.status();
  logs = std::move(checked->logs);
  if (!checked->companion || checked->companion->state == Companion::State::kTaking) {
    return absl::OkStatus();
  }
  return CheckLogBytes(place, *checked->companion);
}

}  // namespace

absl::StatusOr<bool> IsRocksdbDirectory(FileSystem* files, const std::string& directory) {
  const auto names = files->ListDirectory(directory);
  if (!names.ok()) return names.status();
  const auto has = [&](absl::string_view name) {
    return std::find(names->begin(), names->end(), name) != names->end();
  };
  return has("CURRENT") || has(kCompanionFile);
}

absl::StatusOr<InspectedNamespace> InspectNamespace(FileSystem* files, rocksdb::Env* env,
                                                    const std::string& directory) {
  InspectedNamespace inspected;
  KnownLogs logs;
  inspected.checked = CompareWithCompanion(files, directory, logs);
  if (absl::IsUnavailable(inspected.checked)) return inspected.checked;
  auto checked =
      CheckFiles(files, env, directory, directory, logs, [](uint64_t, uint64_t) { return true; });
  if (!checked.ok()) return checked.status();
  inspected.files = *std::move(checked);
  const auto evidence = files->ListDirectory(absl::StrCat(directory, "/evidence"));
  if (evidence.ok()) {
    inspected.evidence_files = *evidence;
  } else if (!absl::IsNotFound(evidence.status())) {
    return evidence.status();
  }
  rocksdb::Options options = MakeOptions(RocksdbTuning(), env, nullptr);
  options.create_if_missing = false;
  // A tail that a crash cut is shown and not cut.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  rocksdb::DB* opened = nullptr;
  const rocksdb::Status status = rocksdb::DB::OpenForReadOnly(options, directory, &opened);
  const std::unique_ptr<rocksdb::DB> db(opened);
  inspected.opened = FromRocks(status, "opening RocksDB", directory);
  if (inspected.opened.ok()) inspected.opened = ReadTables(*db, directory, inspected);
  if (absl::IsUnavailable(inspected.opened)) return inspected.opened;
  return inspected;
}

}  // namespace walden::rocks
