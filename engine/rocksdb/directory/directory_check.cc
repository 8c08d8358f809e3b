#include "engine/rocksdb/directory/directory_check.h"

#include <algorithm>
#include <array>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/checksum.h"
#include "base/error.h"
#include "engine/common/directory_owner.h"
#include "engine/rocksdb/companion/companion_file.h"
#include "engine/rocksdb/companion/companion_format.h"
#include "engine/rocksdb/companion/file_names.h"
#include "engine/rocksdb/directory/manifest_tables.h"
#include "engine/rocksdb/keys/key_codec.h"
#include "engine/rocksdb/keys/key_format.h"
#include "engine/rocksdb/options/disk_reserve.h"
#include "engine/rocksdb/options/options.h"
#include "engine/rocksdb/options/rocksdb_errors.h"
#include "engine/rocksdb/wal/wal_parser.h"
#include "rocksdb/db.h"

namespace walden::rocks {
namespace {

constexpr absl::string_view kCurrent = "CURRENT";
constexpr absl::string_view kCheckRemedy =
    "Bring the files back from a copy, or move the namespace's directory away to start empty";

// The last bytes of a table file.
constexpr std::array<char, 8> kTableMagic = {'\xf7', '\xcf', '\xf4', '\x85',
                                             '\xb7', '\x41', '\xe2', '\x88'};

class Checker {
 public:
  explicit Checker(const CheckedPlace& place, bool takes_changes = false)
      : place_(place), takes_changes_(takes_changes) {}

  absl::StatusOr<CheckedDirectory> Run() {
    auto companion = ReadCompanion(place_.files, place_.directory, place_.shown_directory);
    if (!companion.ok()) return companion.status();
    absl::Status status = List();
    if (!status.ok()) return status;
    checked_.companion = *std::move(companion);
    if (checked_.companion) status = CheckIdentity();
    if (status.ok()) status = relies() ? CheckEverything() : CheckUnknown();
    if (!status.ok()) return status;
    return std::move(checked_);
  }

  absl::StatusOr<CheckedDirectory> RunAsItIs() {
    absl::Status status = List();
    if (status.ok()) status = CheckUnknown();
    if (!status.ok()) return status;
    return std::move(checked_);
  }

 private:
  absl::Status List() {
    const auto names = place_.files->ListDirectory(place_.directory);
    if (names.ok()) names_ = {names->begin(), names->end()};
    return names.status();
  }

  // Whether the companion file says what must be there.
  bool relies() const {
    return checked_.companion && checked_.companion->state != Companion::State::kTaking;
  }
  bool is_closed() const { return checked_.companion->state == Companion::State::kClosed; }
  bool Has(absl::string_view name) const { return names_.contains(std::string(name)); }

  absl::Status CheckIdentity() const {
    const Companion& companion = *checked_.companion;
    if (companion.namespace_id == place_.namespace_id &&
        companion.namespace_name == place_.namespace_name) {
      return absl::OkStatus();
    }
    return WrongNamespace(
        absl::StrCat("namespace ", companion.namespace_name, " with id ", companion.namespace_id),
        companion.namespace_id);
  }

  absl::Status WrongNamespace(absl::string_view stored, NamespaceId stored_id) const;

  absl::Status CheckEverything() {
    absl::Status status = CheckCurrent();
    if (status.ok()) status = checked_.is_changed ? CheckForeignManifest() : CheckManifest();
    if (status.ok()) status = CheckLogs();
    if (status.ok()) status = CheckForeignFiles();
    return status;
  }

  // Checks the files without a companion file: the manifest by its records. ScanWals judges the
  // logs by their own notes.
  absl::Status CheckUnknown() {
    if (!Has(kCurrent)) return CheckNoDatabase();
    return CheckManifestItself();
  }

  // Checks the manifest of another program, which may have taken logs into tables.
  absl::Status CheckForeignManifest() {
    const absl::Status status = CheckManifestItself();
    if (!status.ok()) return status;
    const auto manifest = Read(checked_.manifest);
    if (manifest.ok()) oldest_needed_log_ = OldestLogOfManifest(*manifest);
    return manifest.status();
  }

  absl::Status CheckManifestItself() {
    const auto contents = Read(kCurrent);
    if (!contents.ok()) return contents.status();
    const uint64_t number = ManifestOfCurrent(*contents);
    if (number == 0) return Damage(kCurrent, 0, contents->size(), "it names no manifest");
    checked_.manifest = ManifestName(number);
    const auto manifest = Read(checked_.manifest);
    if (absl::IsNotFound(manifest.status())) return Missing(checked_.manifest);
    if (!manifest.ok()) return manifest.status();
    const ManifestEnd end = EndOf(*manifest);
    if (!end.goes_on) return CheckTables(*manifest);
    return Damage(checked_.manifest, end.offset, end.broken_bytes, end.reason);
  }

  // Decides, without CURRENT, whether no database was ever open here or the file is missing.
  absl::Status CheckNoDatabase() {
    for (const std::string& name : names_) {
      const FileKind kind = ParseFileName(name).kind;
      if (kind == FileKind::kLog || kind == FileKind::kTable || name == kReserveFile ||
          absl::StartsWith(name, "OPTIONS-")) {
        return Missing(kCurrent);
      }
    }
    checked_.is_new = true;
    return absl::OkStatus();
  }

  absl::Status CheckCurrent() {
    const Companion& companion = *checked_.companion;
    const auto contents = Read(kCurrent);
    if (absl::IsNotFound(contents.status())) return Missing(kCurrent);
    if (!contents.ok()) return contents.status();
    const uint64_t number = ManifestOfCurrent(*contents);
    checked_.manifest = ManifestName(number);
    if (number != 0 && number == companion.manifest.number)
      checked_.durable_manifest = companion.manifest;
    if (number != 0 && number == companion.next.number) checked_.durable_manifest = companion.next;
    if (checked_.durable_manifest.number != 0) return absl::OkStatus();
    const uint64_t newest = std::max(companion.manifest.number, companion.next.number);
    if (number > newest && Has(checked_.manifest)) {
      return Changed(absl::StrCat("CURRENT names ", checked_.manifest,
                                  ", which Walden did not write; ", "Walden's was ",
                                  ManifestName(companion.manifest.number)));
    }
    return Damage(kCurrent, 0, contents->size(),
                  number == 0 ? std::string("it names no manifest")
                              : absl::StrCat("it names ", checked_.manifest, " instead of ",
                                             ManifestName(companion.manifest.number)));
  }

  absl::Status CheckManifest() {
    const FilePrefix& durable = checked_.durable_manifest.durable;
    const auto bytes = Read(checked_.manifest);
    if (absl::IsNotFound(bytes.status())) return Missing(checked_.manifest);
    if (!bytes.ok()) return bytes.status();
    if (bytes->size() < durable.length) {
      return Damage(
          checked_.manifest, bytes->size(), durable.length - bytes->size(),
          absl::StrCat("it has ", bytes->size(), " bytes, and ", durable.length, " were durable"));
    }
    const ManifestEnd end = EndOf(*bytes);
    if (Crc32c(absl::string_view(*bytes).substr(0, durable.length)) != durable.crc) {
      const bool is_broken = end.broken_bytes > 0 && end.offset < durable.length;
      return Damage(checked_.manifest, is_broken ? end.offset : 0,
                    is_broken ? end.broken_bytes : durable.length,
                    is_broken ? std::string(end.reason) : "checksum of the whole does not match");
    }
    if (is_closed() && bytes->size() != durable.length) {
      const absl::Status status = Longer(checked_.manifest, durable, *bytes);
      if (!status.ok()) return status;
      oldest_needed_log_ = OldestLogOfManifest(*bytes);
    }
    if (end.broken_bytes > 0) checked_.manifest_end = end.offset;
    return CheckTables(*bytes);
  }

  // Compares the names and sizes of tables with the manifest. Damage inside a table is found when
  // its blocks are read.
  absl::Status CheckTables(absl::string_view manifest) const {
    const auto tables = TablesOfManifest(manifest);
    if (!tables) return absl::OkStatus();  // RocksDB compares them when it opens
    for (const auto& [number, size] : *tables) {
      const std::string name = TableName(number);
      const absl::Status status = CheckTable(name, size);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status CheckTable(const std::string& name, uint64_t size) const {
    const auto file = place_.files->OpenFile(Path(name), FileSystem::OpenMode::kReadOnly);
    if (absl::IsNotFound(file.status())) return Missing(name);
    if (!file.ok()) return file.status();
    const absl::StatusOr<uint64_t> found = (*file)->Size();
    if (!found.ok()) return found.status();
    if (*found != size || size < kTableMagic.size()) {
      return Damage(name, std::min(*found, size), std::max(*found, size) - std::min(*found, size),
                    absl::StrCat("it has ", *found, " bytes, and was written with ", size));
    }
    std::string magic(kTableMagic.size(), '\0');
    const absl::StatusOr<size_t> got =
        (*file)->Read(size - magic.size(), absl::MakeSpan(magic.data(), magic.size()));
    if (!got.ok()) return got.status();
    if (absl::string_view(magic) == absl::string_view(kTableMagic.data(), kTableMagic.size())) {
      return absl::OkStatus();
    }
    return Damage(name, size - magic.size(), magic.size(), "it does not end as a table does");
  }

  // Checks that the logs are there, and not longer than they were closed. ScanWals finds logs that
  // are too short or broken.
  absl::Status CheckLogs() {
    for (const CompanionLog& log : checked_.companion->logs) {
      const std::string name = LogName(log.number);
      if (!Has(name)) {
        if (log.durable.length > 0 && log.number >= oldest_needed_log_) return Missing(name);
        continue;
      }
      checked_.logs.durable_ends[name] = log.durable.length;
      if (!is_closed()) continue;
      const absl::StatusOr<uint64_t> size = place_.files->FileSize(Path(name));
      if (!size.ok()) return size.status();
      if (*size > log.durable.length) {
        const absl::Status status = Changed(absl::StrCat(
            name, " has ", *size, " bytes; Walden closed it with ", log.durable.length));
        if (!status.ok()) return status;
      }
    }
    return absl::OkStatus();
  }

  absl::Status CheckForeignFiles() {
    const Companion& companion = *checked_.companion;
    const uint64_t oldest_log = companion.logs.empty() ? UINT64_MAX : companion.logs.front().number;
    for (const std::string& name : names_) {
      const FileName file = ParseFileName(name);
      if (file.kind == FileKind::kOther || file.kind == FileKind::kNumbered) continue;
      const bool is_log = file.kind == FileKind::kLog;
      const bool is_named = is_log && checked_.logs.durable_ends.contains(name);
      if (is_named) continue;
      if (file.number > companion.numbers_through || (is_log && file.number >= oldest_log)) {
        const absl::Status status =
            Changed(absl::StrCat("it holds ", name, ", which Walden did not write"));
        if (!status.ok()) return status;
        continue;
      }
      // RocksDB needs this log no more: its removal was not durable, or was not begun.
      if (is_log) checked_.logs.leftovers.insert(name);
    }
    return absl::OkStatus();
  }

  struct ManifestEnd {
    uint64_t offset = 0;        // of the first record that is not valid, or the file's end
    uint64_t broken_bytes = 0;  // 0: the records go on to the file's end
    const char* reason = "";
    bool goes_on = false;  // a valid record follows
  };
  static ManifestEnd EndOf(absl::string_view bytes) {
    WalParser parser(bytes);
    WalRecord record;
    while (true) {
      switch (parser.NextBytes(record)) {
        case WalOutcome::kRecord:
          continue;
        case WalOutcome::kEnd:
          return {.offset = parser.position()};
        case WalOutcome::kBroken: {
          const WalBreak broken = parser.broken();
          return {.offset = broken.record_begin,
                  .broken_bytes = bytes.size() - broken.record_begin,
                  .reason = broken.reason,
                  .goes_on = parser.SkipBroken()};
        }
      }
    }
  }

  std::string Path(absl::string_view name) const {
    return absl::StrCat(place_.directory, "/", name);
  }
  absl::StatusOr<std::string> Read(absl::string_view name) const {
    return ReadWholeFile(place_.files, Path(name));
  }

  absl::Status Damage(absl::string_view name, uint64_t offset, uint64_t length,
                      absl::string_view reason) const {
    return DamageError({.file = absl::StrCat(place_.shown_directory, "/", name),
                        .offset = offset,
                        .length = length,
                        .reason = std::string(reason)},
                       kCheckRemedy);
  }
  absl::Status Missing(absl::string_view name) const {
    return Damage(name, 0, 0, "the file is missing");
  }
  absl::Status Longer(absl::string_view name, const FilePrefix& durable, absl::string_view bytes) {
    return Changed(absl::StrCat(name, " has ", bytes.size(), " bytes; Walden closed it with ",
                                durable.length));
  }
  absl::Status Changed(absl::string_view what) {
    checked_.is_changed = true;
    if (takes_changes_) return absl::OkStatus();
    return MakeError(
        absl::StatusCode::kFailedPrecondition, ErrorReason::kChangedElsewhere,
        absl::StrCat(place_.shown_directory, " was changed by another program: ", what,
                     ". Bring it back from a copy, or take it as it is with `walden adopt`"),
        {{"directory", place_.shown_directory}});
  }

  const CheckedPlace& place_;
  const bool takes_changes_;  // whether the check goes on after a change by another program
  // Logs with lower numbers may be missing: another program has taken them into tables.
  uint64_t oldest_needed_log_ = 0;
  CheckedDirectory checked_;
  std::set<std::string> names_;
};

absl::Status WrongNamespaceError(const CheckedPlace& place, absl::string_view stored,
                                 absl::string_view stored_id) {
  return MakeError(
      absl::StatusCode::kFailedPrecondition, ErrorReason::kWrongNamespace,
      absl::StrCat(place.shown_directory, " holds the log of ", stored,
                   "; the configuration says namespace ", place.namespace_name, " with id ",
                   place.namespace_id,
                   ". Correct the configuration, or move the directory back to where it was"),
      {{"stored", std::string(stored)},
       {"stored_id", std::string(stored_id)},
       {"configured_id", absl::StrCat(place.namespace_id)}});
}

absl::Status Checker::WrongNamespace(absl::string_view stored, NamespaceId stored_id) const {
  return WrongNamespaceError(place_, stored, absl::StrCat(stored_id));
}

// The namespaces that have log keys.
absl::StatusOr<std::vector<NamespaceId>> NamespacesWithRecords(rocksdb::DB& db,
                                                               const std::string& shown) {
  std::vector<NamespaceId> found;
  const std::unique_ptr<rocksdb::Iterator> at(db.NewIterator({}));
  for (at->Seek(NamespaceBegin(kFirstLogNamespace)); at->Valid();) {
    const auto id = static_cast<NamespaceId>(at->key()[0]);
    found.push_back(id);
    if (id == UINT8_MAX) break;
    at->Seek(NamespaceBegin(static_cast<NamespaceId>(id + 1)));
  }
  if (!at->status().ok()) return FromRocks(at->status(), "looking for records", shown);
  return found;
}

}  // namespace

absl::StatusOr<CheckedDirectory> CheckDirectory(const CheckedPlace& place) {
  return Checker(place).Run();
}

absl::StatusOr<CheckedDirectory> CheckForAdoption(const CheckedPlace& place) {
  return Checker(place, /*takes_changes=*/true).Run();
}

absl::StatusOr<CheckedDirectory> CheckAsItIs(const CheckedPlace& place) {
  return Checker(place).RunAsItIs();
}

absl::Status CheckLogBytes(const CheckedPlace& place, const Companion& companion) {
  for (const CompanionLog& log : companion.logs) {
    if (log.durable.length == 0) continue;
    const std::string name = LogName(log.number);
    const auto bytes = ReadWholeFile(place.files, absl::StrCat(place.directory, "/", name));
    // CheckDirectory and CheckForAdoption say whether the log must be there.
    if (absl::IsNotFound(bytes.status())) continue;
    if (!bytes.ok()) return bytes.status();
    const absl::string_view durable = absl::string_view(*bytes).substr(0, log.durable.length);
    if (Crc32c(durable) == log.durable.crc) continue;
    return DamageError({.file = absl::StrCat(place.shown_directory, "/", name),
                        .length = log.durable.length,
                        .reason = "checksum of the whole does not match"},
                       kCheckRemedy);
  }
  return absl::OkStatus();
}

absl::Status CheckWithoutCompanion(const CheckedPlace& place, rocksdb::Env* env) {
  rocksdb::Options options = MakeOptions(RocksdbTuning(), env, nullptr);
  options.create_if_missing = false;
  // ScanWals judges a tail that a crash cut; it is not read here.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  rocksdb::DB* opened = nullptr;
  const rocksdb::Status status = rocksdb::DB::OpenForReadOnly(options, place.directory, &opened);
  const std::unique_ptr<rocksdb::DB> db(opened);
  if (!status.ok()) return FromRocks(status, "opening RocksDB", place.shown_directory);
  std::string value;
  const rocksdb::Status found = db->Get({}, CompanionEntry(0).key, &value);
  if (found.ok()) {
    return DamageError(
        {.file = absl::StrCat(place.shown_directory, "/", kCompanionFile),
         .reason = "the file is missing, and the database says that it exists"},
        "Bring the file back from a copy, or let `walden adopt` take the directory as "
        "it is");
  }
  if (!found.IsNotFound()) return FromRocks(found, "reading", place.shown_directory);
  const auto namespaces = NamespacesWithRecords(*db, place.shown_directory);
  if (!namespaces.ok()) return namespaces.status();
  if (namespaces->empty() ||
      std::find(namespaces->begin(), namespaces->end(), place.namespace_id) != namespaces->end()) {
    return absl::OkStatus();
  }
  return WrongNamespaceError(place, absl::StrCat("a namespace with id ", namespaces->front()),
                             absl::StrCat(namespaces->front()));
}

std::string NamespaceNameOf(const std::string& directory_name) {
  absl::string_view name = directory_name;
  if (!absl::ConsumeSuffix(&name, kMigratingSuffix)) {
    (void)absl::ConsumeSuffix(&name, kBeforeMigrationSuffix);
  }
  return std::string(name);
}

}  // namespace walden::rocks
