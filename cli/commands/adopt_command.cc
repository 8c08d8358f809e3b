// `walden adopt`.
#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cli/commands/commands.h"
#include "cli/console/failure.h"
#include "cli/console/units.h"
#include "cli/console/wording.h"
#include "cli/reports/region_inspection.h"
#include "engine/io/posix_file_system.h"
#include "engine/rocksdb/directory/adopt.h"

namespace walden::cli {
namespace {

struct AdoptOptions {
  std::string directory;
  uint64_t namespace_id = 0;  // 0: the one that is stored
};

absl::Status Run(Session& session, const AdoptOptions& options) {
  absl::string_view directory = options.directory;
  while (directory.size() > 1 && absl::ConsumeSuffix(&directory, "/")) continue;
  std::optional<NamespaceId> id;
  if (options.namespace_id != 0) id = static_cast<NamespaceId>(options.namespace_id);
  const auto adopted =
      rocks::AdoptDirectory(PosixFileSystem(), nullptr, std::string(directory), id);
  if (!adopted.ok()) return FromEngine(adopted.status());
  if (session.json()) {
    Json json;
    json["namespace"] = adopted->name;
    json["namespace_id"] = adopted->id;
    json["regions"] = adopted->regions;
    json["tables"] = adopted->tables;
    return session.PrintJson(json);
  }
  return session.out().Write(
      absl::StrCat("adopted ", adopted->name, ", namespace id ", adopted->id, ": ",
                   Counted(adopted->regions, "region"), ", ", Counted(adopted->tables, "table"),
                   ". The next opening takes the directory as it is now.\n"));
}

}  // namespace

void AddAdoptCommand(CLI::App& app, Program& program) {
  auto options = std::make_shared<AdoptOptions>();
  CLI::App& command = AddCommand(
      app, program, "adopt",
      "Take a namespace's RocksDB directory as it is, after another program changed it.\n"
      "The daemon refuses such a directory (CHANGED_ELSEWHERE), because it cannot tell a change\n"
      "from a loss: whatever the other program removed is gone for good after this.\n"
      "The daemon must not have the namespace open. Damage that the files themselves show is\n"
      "still refused.",
      {"walden adopt data/default", "walden adopt data/default --namespace-id 2"});
  command.add_option("directory", options->directory, "The namespace's directory, .../NAMESPACE")
      ->type_name("DIR")
      ->required();
  command
      .add_option("--namespace-id", options->namespace_id,
                  "Id of the namespace, 1..255 (default: the one that is stored)")
      ->transform(Number(1, 255))
      ->type_name("ID");
  command.callback([&program, options] {
    program.needs_daemon = false;
    program.command = [options](Session& session) { return Run(session, *options); };
  });
}

}  // namespace walden::cli
