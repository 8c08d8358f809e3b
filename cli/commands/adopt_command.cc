// `walden adopt`.
#include <memory>
#include <optional>
#include <string>

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

struct Options {
  DirectoryChoice directory;
  uint64_t namespace_id = 0;  // 0: the one that is stored
  bool accept_loss = false;
};

Json InJson(const rocks::AdoptedNamespace& adopted) {
  Json json;
  json["namespace"] = adopted.name;
  json["namespace_id"] = adopted.id;
  json["regions"] = adopted.regions;
  json["tables"] = adopted.tables;
  json["compared"] = adopted.is_compared;
  json["lost"] = adopted.lost;
  return json;
}

std::string InWords(const rocks::AdoptedNamespace& adopted) {
  std::string text =
      absl::StrCat("adopted ", adopted.name, ", namespace id ", adopted.id, ": ",
                   Counted(adopted.regions, "region"), ", ", Counted(adopted.tables, "table"),
                   ". The next opening takes the directory as it is now.\n");
  if (!adopted.is_compared) {
    absl::StrAppend(&text,
                    "NOT CHECKED: no valid companion file (walden_files) says what must be there. "
                    "Missing logs,\nrecords missing at the end of a log and older copies of files "
                    "were not noticed.\n");
  }
  for (const std::string& loss : adopted.lost) absl::StrAppend(&text, "LOST: ", loss, "\n");
  if (!adopted.lost.empty()) {
    absl::StrAppend(&text,
                    "Acknowledged records and marks may be gone, deleted records may be back, and "
                    "sequence numbers of\nlost records may be given out again: the companion file "
                    "names no sequence numbers.\n");
  }
  return text;
}

absl::Status Run(Session& session, const Options& options) {
  const auto directory = ChosenDirectory(options.directory, WithRegion::kNo);
  if (!directory.ok()) return directory.status();
  rocks::AdoptOptions wanted = {.accept_loss = options.accept_loss};
  if (options.namespace_id != 0) wanted.id = static_cast<NamespaceId>(options.namespace_id);
  const auto adopted = rocks::AdoptDirectory(PosixFileSystem(), nullptr, *directory, wanted);
  if (!adopted.ok()) return FromEngine(adopted.status());
  return session.json() ? session.PrintJson(InJson(*adopted))
                        : session.out().Write(InWords(*adopted));
}

}  // namespace

void AddAdoptCommand(CommandSet& commands) {
  auto options = std::make_shared<Options>();
  Command command = commands.AddOffline(
      "adopt",
      "Take a namespace's RocksDB directory as it is, after another program changed it, offline.\n"
      "The daemon refuses such a directory (CHANGED_ELSEWHERE), because it cannot tell a change\n"
      "from a loss. What the other program removed is gone for good after this command.\n"
      "No daemon may have the namespace open. A directory that an opening would call damaged is\n"
      "refused: files or durable bytes are missing, or differ from what was durable.",
      {"walden adopt data/default", "walden adopt --data-dir data --namespace default",
       "walden adopt data/default --namespace-id 2", "walden adopt data/default --accept-loss"});
  AddDirectoryChoice(command, options->directory, "Directory of the namespace, .../NAMESPACE",
                     WithRegion::kNo);
  command
      .Add("--namespace-id", options->namespace_id,
           "Id that the namespace shall have, 1 to 255 (default: the stored id)")
      .Check(Number(1, 255))
      .Value("ID");
  command.AddFlag("--accept-loss", options->accept_loss,
                  "Take the directory although durable bytes are missing from it, and print what "
                  "is lost. Damage that the files show without the companion file is refused "
                  "nevertheless");
  command.Runs([options](Session& session) { return Run(session, *options); });
}

}  // namespace walden::cli
