#include "engine/rocksdb/directory/adopt.h"

#include <algorithm>
#include <random>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/checksum.h"
#include "base/error.h"
#include "engine/common/directory_owner.h"
#include "engine/rocksdb/companion/companion_file.h"
#include "engine/rocksdb/companion/file_names.h"
#include "engine/rocksdb/directory/directory_check.h"
#include "engine/rocksdb/directory/inspect.h"
#include "engine/rocksdb/options/rocksdb_errors.h"
#include "engine/rocksdb/wal/wal_repair.h"
#include "engine/rocksdb/wal/wal_sequence_numbers.h"

namespace walden::rocks {
namespace {

constexpr absl::string_view kAdoptRemedy =
    "Bring the file back from a copy, or move the namespace's directory away to start empty";

// Checks the logs by their notes and by what is known of them. The error names the missing sequence
// numbers of namespace `id`.
absl::Status CheckLogs(const CheckedPlace& place, const KnownLogs& known,
                       std::optional<NamespaceId> id) {
  WalSequenceNumbers numbers(id.value_or(place.namespace_id), std::nullopt);
  const auto scan = ScanWals(place.files, place.directory, known,
                             [&](const WalRecord& record) { return !id || numbers.Take(record); });
  if (!scan.ok()) return scan.status();
  if (scan->damage.empty()) return absl::OkStatus();
  const WalPlace& damaged = scan->damage.front();
  return DamageError({.file = absl::StrCat(place.shown_directory, "/", damaged.file),
                      .offset = damaged.offset,
                      .length = damaged.length,
                      .first = numbers.first(),
                      .last = numbers.last(),
                      .reason = damaged.reason},
                     kAdoptRemedy);
}

// Checks the files without the companion file, for damage that they show by themselves.
absl::Status CheckFilesThemselves(const CheckedPlace& place) {
  const auto checked = CheckAsItIs(place);
  if (!checked.ok()) return checked.status();
  if (checked->is_new) {
    return MakeError(absl::StatusCode::kNotFound, ErrorReason::kNotFound,
                     absl::StrCat(place.directory, " holds no RocksDB"),
                     {{"directory", place.directory}});
  }
  return CheckLogs(place, {}, std::nullopt);
}

// Compares the files with the companion file as an opening does. A change by another program is no
// error.
absl::Status CompareWithCompanion(const CheckedPlace& place, const Companion& companion) {
  CheckedPlace of_companion = place;
  of_companion.namespace_id = companion.namespace_id;
  of_companion.namespace_name = companion.namespace_name;
  const auto checked = CheckForAdoption(of_companion);
  if (!checked.ok()) return checked.status();
  const absl::Status status = CheckLogs(of_companion, checked->logs, companion.namespace_id);
  return status.ok() ? CheckLogBytes(of_companion, companion) : status;
}

// Names what an adoption gives up, where `damage` is the first difference from the companion file.
absl::StatusOr<std::vector<std::string>> DescribeLoss(const CheckedPlace& place,
                                                      const Companion& companion,
                                                      const absl::Status& damage) {
  std::vector<std::string> lost = {std::string(damage.message())};
  for (const CompanionLog& log : companion.logs) {
    const std::string name = LogName(log.number);
    const auto bytes = ReadWholeFile(place.files, absl::StrCat(place.directory, "/", name));
    if (!bytes.ok() && !absl::IsNotFound(bytes.status())) return bytes.status();
    if (log.durable.length == 0) continue;
    if (!bytes.ok()) {
      lost.push_back(
          absl::StrCat(name, " is missing; ", log.durable.length, " bytes of it were durable"));
    } else if (bytes->size() < log.durable.length) {
      lost.push_back(
          absl::StrCat(name, " has ", bytes->size(), " of ", log.durable.length, " durable bytes"));
    } else if (Crc32c(absl::string_view(*bytes).substr(0, log.durable.length)) != log.durable.crc) {
      lost.push_back(
          absl::StrCat(name, " differs from its ", log.durable.length, " durable bytes"));
    }
  }
  return lost;
}

absl::StatusOr<NamespaceId> ChooseId(const CheckedPlace& place, const InspectedNamespace& inspected,
                                     const std::optional<Companion>& earlier,
                                     std::optional<NamespaceId> wanted) {
  const std::vector<NamespaceId>& stored = inspected.namespace_ids;
  NamespaceId id = 1;
  if (stored.size() == 1) id = stored.front();
  if (earlier) id = earlier->namespace_id;
  if (wanted && earlier && *wanted != earlier->namespace_id) {
    // Marks are stored without a namespace id: those of the earlier namespace would delete records
    // of this one.
    return MakeError(
        absl::StatusCode::kFailedPrecondition, ErrorReason::kWrongNamespace,
        absl::StrCat(place.directory, " was written by Walden as namespace id ",
                     earlier->namespace_id, " and cannot become namespace id ", *wanted),
        {{"stored_id", absl::StrCat(earlier->namespace_id)}, {"wanted_id", absl::StrCat(*wanted)}});
  }
  if (wanted) id = *wanted;
  if (stored.empty() || std::find(stored.begin(), stored.end(), id) != stored.end()) return id;
  return MakeError(absl::StatusCode::kFailedPrecondition, ErrorReason::kWrongNamespace,
                   absl::StrCat(place.directory, " holds records of namespace id ", stored.front(),
                                " and none of ", id, ": give the right one (--namespace-id)"),
                   {{"stored_id", absl::StrCat(stored.front())}, {"wanted_id", absl::StrCat(id)}});
}

}  // namespace

absl::StatusOr<AdoptedNamespace> AdoptDirectory(FileSystem* files, rocksdb::Env* env,
                                                const std::string& directory,
                                                const AdoptOptions& options) {
  const std::string name = directory.substr(directory.rfind('/') + 1);
  const CheckedPlace place = {.files = files,
                              .directory = directory,
                              .shown_directory = name,
                              .namespace_name = NamespaceNameOf(name)};
  const auto lock = files->LockDirectory(directory);
  if (!lock.ok()) return lock.status();
  absl::Status status = CheckNotRestoring(files, directory);
  if (!status.ok()) return status;
  auto earlier = ReadCompanion(files, directory, name);
  // A companion file that is not valid is replaced like a missing one.
  if (absl::IsDataLoss(earlier.status())) earlier = std::optional<Companion>();
  if (!earlier.ok()) return earlier.status();
  const bool is_compared = *earlier && (*earlier)->state != Companion::State::kTaking;
  std::vector<std::string> lost;
  if (is_compared) {
    status = CompareWithCompanion(place, **earlier);
    if (absl::IsDataLoss(status) && options.accept_loss) {
      auto described = DescribeLoss(place, **earlier, status);
      if (!described.ok()) return described.status();
      lost = *std::move(described);
      status = absl::OkStatus();
    }
  }
  if (status.ok()) status = CheckFilesThemselves(place);
  if (!status.ok()) return status;
  const auto inspected = InspectNamespace(files, env, directory);
  if (!inspected.ok()) return inspected.status();
  if (!inspected->opened.ok()) return inspected->opened;
  const auto chosen = ChooseId(place, *inspected, *earlier, options.id);
  if (!chosen.ok()) return chosen.status();

  std::random_device random;
  const Companion companion = {.generation = *earlier ? (*earlier)->generation + 1 : 1,
                               .salt = uint64_t{random()} << 32 | random(),
                               .namespace_id = *chosen,
                               .namespace_name = place.namespace_name,
                               .state = Companion::State::kTaking};
  const auto made = CompanionFile::Make(files, directory, companion);
  if (!made.ok()) return made.status();
  std::set<RegionId> regions;
  for (const InspectedTable& table : inspected->tables) regions.insert(table.region);
  return AdoptedNamespace{.id = *chosen,
                          .name = place.namespace_name,
                          .regions = regions.size(),
                          .tables = inspected->tables.size(),
                          .is_compared = is_compared,
                          .lost = std::move(lost)};
}

}  // namespace walden::rocks
