#include "engine/rocksdb/directory/file_check.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/rocksdb/options/options.h"
#include "engine/rocksdb/options/rocksdb_errors.h"
#include "engine/rocksdb/wal/wal_repair.h"
#include "rocksdb/sst_file_reader.h"
#include "rocksdb/table_properties.h"

namespace walden::rocks {
namespace {

rocksdb::Status VerifyTable(const rocksdb::Options& options, const std::string& path,
                            uint64_t& entries) {
  rocksdb::SstFileReader reader(options);
  const rocksdb::Status status = reader.Open(path);
  if (!status.ok()) return status;
  entries = reader.GetTableProperties()->num_entries;
  return reader.VerifyChecksum();
}

}  // namespace

absl::Status CheckTableFile(rocksdb::Env* env, const std::string& directory,
                            const std::string& shown_directory, CheckedFile& file) {
  const std::string path = absl::StrCat(directory, "/", file.name);
  rocksdb::Options options = MakeOptions(RocksdbTuning(), env, nullptr);
  options.use_direct_reads = true;
  rocksdb::Status status = VerifyTable(options, path, file.entries);
  if (!status.ok() && !status.IsCorruption() && !status.IsPathNotFound()) {
    // The file system has no direct reads.
    options.use_direct_reads = false;
    status = VerifyTable(options, path, file.entries);
  }
  if (status.ok()) return absl::OkStatus();
  if (!IsDamage(status)) return FromRocks(status, "reading " + file.name, shown_directory);
  DamagedRange damage = PlaceOf(status, shown_directory);
  damage.file = absl::StrCat(shown_directory, "/", file.name);
  if (damage.length == 0) damage.length = file.bytes - std::min(file.bytes, damage.offset);
  file.damage.push_back(damage);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<CheckedFile>> CheckFiles(
    FileSystem* files, rocksdb::Env* env, const std::string& directory,
    const std::string& shown_directory, const KnownLogs& known,
    absl::FunctionRef<bool(uint64_t, uint64_t)> progress) {
  const auto names = files->ListDirectory(directory);
  if (!names.ok()) return names.status();
  std::vector<CheckedFile> checked;
  uint64_t total = 0;
  for (const std::string& name : *names) {
    if (!absl::EndsWith(name, ".sst") && !absl::EndsWith(name, ".log")) continue;
    const auto file =
        files->OpenFile(absl::StrCat(directory, "/", name), FileSystem::OpenMode::kReadOnly);
    if (absl::IsNotFound(file.status())) continue;  // removed meanwhile
    if (!file.ok()) return file.status();
    const absl::StatusOr<uint64_t> size = (*file)->Size();
    if (!size.ok()) return size.status();
    checked.push_back({.name = name, .bytes = *size});
    total += *size;
  }
  const auto scan = ScanWals(files, directory, known, [](const WalRecord&) { return true; });
  if (!scan.ok()) return scan.status();
  uint64_t done = 0;
  for (CheckedFile& file : checked) {
    if (absl::EndsWith(file.name, ".sst")) {
      const absl::Status status = CheckTableFile(env, directory, shown_directory, file);
      if (!status.ok()) return status;
    }
    for (const WalPlace& place : scan->damage) {
      if (place.file != file.name) continue;
      file.damage.push_back({.file = absl::StrCat(shown_directory, "/", place.file),
                             .offset = place.offset,
                             .length = place.length,
                             .reason = place.reason});
    }
    if (scan->torn && scan->torn->file == file.name) {
      file.torn_begin = scan->torn->offset;
      file.torn_end = file.bytes;
    }
    done += file.bytes;
    if (!progress(done, total)) break;
  }
  return checked;
}

}  // namespace walden::rocks
