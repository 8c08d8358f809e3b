#include "engine/rocksdb/file_check.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/rocksdb/options.h"
#include "engine/rocksdb/status.h"
#include "engine/rocksdb/wal_repair.h"
#include "rocksdb/sst_file_reader.h"
#include "rocksdb/table_properties.h"

namespace walden::rocks {
namespace {

absl::Status CheckTableFile(const rocksdb::Options& options, const std::string& directory,
                            const std::string& shown_directory, CheckedFile& file) {
  rocksdb::SstFileReader reader(options);
  rocksdb::Status status = reader.Open(absl::StrCat(directory, "/", file.name));
  if (status.ok()) {
    file.entries = reader.GetTableProperties()->num_entries;
    status = reader.VerifyChecksum();
  }
  if (status.ok()) return absl::OkStatus();
  if (!status.IsCorruption()) return FromRocks(status, "reading " + file.name, shown_directory);
  DamagedRange damage = PlaceOf(status, shown_directory);
  damage.file = absl::StrCat(shown_directory, "/", file.name);
  if (damage.length == 0) damage.length = file.bytes - std::min(file.bytes, damage.offset);
  file.damage.push_back(damage);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<CheckedFile>> CheckFiles(
    FileSystem* files, rocksdb::Env* env, const std::string& directory,
    const std::string& shown_directory, absl::FunctionRef<bool(uint64_t, uint64_t)> progress) {
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
  const auto scan = ScanWals(files, directory, [](const WalRecord&) { return true; });
  if (!scan.ok()) return scan.status();
  const rocksdb::Options options = MakeOptions(RocksdbTuning(), env, nullptr);
  uint64_t done = 0;
  for (CheckedFile& file : checked) {
    if (absl::EndsWith(file.name, ".sst")) {
      const absl::Status status = CheckTableFile(options, directory, shown_directory, file);
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
