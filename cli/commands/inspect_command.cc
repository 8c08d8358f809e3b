// `walden inspect`.
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "cli/commands/commands.h"
#include "cli/commands/offline_namespace.h"
#include "cli/console/failure.h"
#include "cli/console/wording.h"
#include "cli/reports/namespace_inspection.h"
#include "cli/reports/region_inspection.h"
#include "engine/io/posix_file_system.h"
#include "engine/rocksdb/directory/inspect.h"
#include "engine/segment/inspect.h"
#include "nlohmann/json.hpp"

namespace walden::cli {
namespace {

template <typename Inspected>
absl::Status Show(Session& session, const std::string& directory,
                  const absl::StatusOr<Inspected>& inspected) {
  if (!inspected.ok()) return FromEngine(inspected.status());
  absl::Status printed = session.json() ? session.PrintJson(InspectionJson(*inspected))
                                        : session.out().Write(InspectionText(*inspected));
  if (!printed.ok()) return printed;
  const size_t damaged = DamageCount(*inspected);
  if (damaged == 0) return absl::OkStatus();
  return Failure(absl::StatusCode::kDataLoss, kReasonDamageFound,
                 absl::StrCat(directory, " has ", Counted(damaged, "damaged place")));
}

absl::Status Run(Session& session, const DirectoryChoice& choice) {
  const auto directory = ChosenDirectory(choice, WithRegion::kYes);
  if (!directory.ok()) return directory.status();
  FileSystem* const files = PosixFileSystem();
  const absl::StatusOr<bool> is_rocksdb = rocks::IsRocksdbDirectory(files, *directory);
  if (!is_rocksdb.ok()) return FromEngine(is_rocksdb.status());
  if (*is_rocksdb) {
    return Show(session, *directory, rocks::InspectNamespace(files, nullptr, *directory));
  }
  return Show(session, *directory, segment::InspectRegion(files, *directory));
}

}  // namespace

void AddInspectCommand(CommandSet& commands) {
  auto choice = std::make_shared<DirectoryChoice>();
  Command command = commands.AddOffline(
      "inspect",
      "Show what the files of a region hold, offline: segments, ranges, damage.\n"
      "Engine rocksdb keeps all regions of a namespace in the same files: there the command shows\n"
      "the namespace. It reads with the daemon's own recovery code, changes nothing, and works on\n"
      "damaged files. It takes no lock: while a daemon writes, the newest records may look torn.",
      {"walden inspect data/default/1",
       "walden inspect --data-dir data --namespace default --region 1 --json"});
  AddDirectoryChoice(
      command, *choice,
      "Directory of the region, .../NAMESPACE/REGION; of engine rocksdb .../NAMESPACE",
      WithRegion::kYes);
  command.Runs([choice](Session& session) { return Run(session, *choice); });
}

}  // namespace walden::cli
