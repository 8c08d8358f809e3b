#include "engine/rocksdb/directory/adopt.h"

#include <algorithm>
#include <random>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/common/directory_owner.h"
#include "engine/rocksdb/companion/companion_file.h"
#include "engine/rocksdb/directory/directory_check.h"
#include "engine/rocksdb/directory/inspect.h"
#include "engine/rocksdb/options/rocksdb_errors.h"
#include "engine/rocksdb/wal/wal_repair.h"

namespace walden::rocks {
namespace {

// Checks the files without the companion file, for damage that they show by themselves.
absl::Status CheckFilesThemselves(const CheckedPlace& place) {
  const auto checked = CheckAsItIs(place);
  if (!checked.ok()) return checked.status();
  if (checked->is_new) {
    return MakeError(absl::StatusCode::kNotFound, ErrorReason::kNotFound,
                     absl::StrCat(place.directory, " holds no RocksDB"),
                     {{"directory", place.directory}});
  }
  const auto scan =
      ScanWals(place.files, place.directory, {}, [](const WalRecord&) { return true; });
  if (!scan.ok()) return scan.status();
  if (scan->damage.empty()) return absl::OkStatus();
  const WalPlace& damaged = scan->damage.front();
  return DamageError({.file = absl::StrCat(place.shown_directory, "/", damaged.file),
                      .offset = damaged.offset,
                      .length = damaged.length,
                      .reason = damaged.reason},
                     "Bring the file back from a copy");
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
                                                std::optional<NamespaceId> id) {
  const std::string name = directory.substr(directory.rfind('/') + 1);
  const CheckedPlace place = {.files = files,
                              .directory = directory,
                              .shown_directory = name,
                              .namespace_name = NamespaceNameOf(name)};
  const auto lock = files->LockDirectory(directory);
  if (!lock.ok()) return lock.status();
  absl::Status status = CheckNotRestoring(files, directory);
  if (status.ok()) status = CheckFilesThemselves(place);
  if (!status.ok()) return status;
  const auto inspected = InspectNamespace(files, env, directory);
  if (!inspected.ok()) return inspected.status();
  if (!inspected->opened.ok()) return inspected->opened;
  auto earlier = ReadCompanion(files, directory, name);
  // A companion file that is not valid is replaced like a missing one.
  if (absl::IsDataLoss(earlier.status())) earlier = std::optional<Companion>();
  if (!earlier.ok()) return earlier.status();
  const auto chosen = ChooseId(place, *inspected, *earlier, id);
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
                          .tables = inspected->tables.size()};
}

}  // namespace walden::rocks
