// `walden inspect`: the one command that needs no daemon, only files.
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "cli/commands/commands.h"
#include "cli/console/failure.h"
#include "cli/reports/namespace_inspection.h"
#include "cli/reports/region_inspection.h"
#include "engine/io/posix_file_system.h"
#include "engine/rocksdb/directory/inspect.h"
#include "engine/segment/inspect.h"

namespace walden::cli {
namespace {

struct InspectOptions {
  std::string directory;
};

template <typename Inspected>
absl::Status Show(Session& session, const InspectOptions& options,
                  const absl::StatusOr<Inspected>& inspected) {
  if (!inspected.ok()) return FromEngine(inspected.status());
  absl::Status printed = session.json() ? session.PrintJson(InspectionJson(*inspected))
                                        : session.out().Write(InspectionText(*inspected));
  if (!printed.ok()) return printed;
  const size_t damaged = DamageCount(*inspected);
  if (damaged == 0) return absl::OkStatus();
  return Failure(
      absl::StatusCode::kDataLoss, kReasonDamageFound,
      absl::StrCat(options.directory, " has ", damaged, damaged == 1 ? " damage" : " damages"));
}

absl::Status Run(Session& session, const InspectOptions& options) {
  FileSystem* const files = PosixFileSystem();
  const absl::StatusOr<bool> is_rocksdb = rocks::IsRocksdbDirectory(files, options.directory);
  if (!is_rocksdb.ok()) return FromEngine(is_rocksdb.status());
  if (*is_rocksdb) {
    return Show(session, options, rocks::InspectNamespace(files, nullptr, options.directory));
  }
  return Show(session, options, segment::InspectRegion(files, options.directory));
}

}  // namespace

void AddInspectCommand(CLI::App& app, Program& program) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App& command = AddCommand(
      app, program, "inspect",
      "Show what a region's directory holds, without a daemon: segments, ranges, damage; or, for\n"
      "engine rocksdb, what a namespace's directory holds.\n"
      "It reads with the daemon's own recovery code, changes nothing, and works on damaged "
      "regions.\n"
      "It takes no lock: beside a running daemon, what is being written may look torn.",
      {"walden inspect data/default/1", "walden inspect data/default/1 --json"});
  command
      .add_option("directory", options->directory,
                  "The region's directory, .../NAMESPACE/REGION; with engine rocksdb .../NAMESPACE")
      ->type_name("DIR")
      ->required();
  command.callback([&program, options] {
    program.needs_daemon = false;
    program.command = [options](Session& session) { return Run(session, *options); };
  });
}

}  // namespace walden::cli
