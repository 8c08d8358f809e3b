// `walden adopt`.
#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "cli/commands/commands.h"
#include "cli/commands/offline_namespace.h"
#include "cli/console/failure.h"
#include "cli/console/units.h"
#include "cli/console/wording.h"
#include "cli/reports/region_inspection.h"
#include "engine/io/posix_file_system.h"
#include "engine/rocksdb/directory/adopt.h"
#include "nlohmann/json.hpp"

namespace walden::cli {
namespace {

struct AdoptOptions {
  DirectoryChoice directory;
  uint64_t namespace_id = 0;  // 0: the one that is stored
};

absl::Status Run(Session& session, const AdoptOptions& options) {
  const auto directory = ChosenDirectory(options.directory, WithRegion::kNo);
  if (!directory.ok()) return directory.status();
  std::optional<NamespaceId> id;
  if (options.namespace_id != 0) id = static_cast<NamespaceId>(options.namespace_id);
  const auto adopted = rocks::AdoptDirectory(PosixFileSystem(), nullptr, *directory, id);
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

void AddAdoptCommand(CommandSet& commands) {
  auto options = std::make_shared<AdoptOptions>();
  Command command = commands.AddOffline(
      "adopt",
      "Take a namespace's RocksDB directory as it is, after another program changed it, offline.\n"
      "The daemon refuses such a directory (CHANGED_ELSEWHERE), because it cannot tell a change\n"
      "from a loss. What the other program removed is gone for good after this command.\n"
      "No daemon may have the namespace open. Damage that the files themselves show is still\n"
      "refused.",
      {"walden adopt data/default", "walden adopt --data-dir data --namespace default",
       "walden adopt data/default --namespace-id 2"});
  AddDirectoryChoice(command, options->directory, "Directory of the namespace, .../NAMESPACE",
                     WithRegion::kNo);
  command
      .Add("--namespace-id", options->namespace_id,
           "Id that the namespace shall have, 1 to 255 (default: the stored id)")
      .Check(Number(1, 255))
      .Value("ID");
  command.Runs([options](Session& session) { return Run(session, *options); });
}

}  // namespace walden::cli
