// `walden migrate`.
#include <memory>

#include "absl/strings/str_cat.h"
#include "cli/commands/commands.h"
#include "cli/commands/offline_copy.h"
#include "cli/console/failure.h"
#include "cli/console/progress.h"
#include "cli/console/units.h"
#include "cli/console/wording.h"
#include "engine/io/posix_file_system.h"
#include "engine/transfer/migration.h"
#include "nlohmann/json.hpp"

namespace walden::cli {
namespace {

struct MigrateOptions {
  TransferOptions transfer;
  bool skip_damaged = false;
};

absl::Status Print(Session& session, const MigrateOptions& options, const MigrationResult& result) {
  const TransferOptions& transfer = options.transfer;
  if (session.json()) {
    Json json;
    json["namespace"] = transfer.namespace_name;
    json["engine"] = transfer.engine;
    json["was_copied"] = result.was_copied;
    json["regions"] = result.regions;
    json["tables"] = result.tables;
    json["records"] = result.records;
    json["payload_bytes"] = result.bytes;
    json["damaged_ranges"] = DamageJson(result.damaged);
    json["old_directory"] = result.old_directory;
    return session.PrintJson(json);
  }
  std::string text = DamageLines(result.damaged);
  if (result.was_copied) {
    absl::StrAppend(&text, "the copy was made and compared before; the swap is finished\n");
  } else {
    absl::StrAppend(&text, "copied and compared: ", Counted(result.regions, "region"), ", ",
                    Counted(result.tables, "table"), ", ", Counted(result.records, "record"), ", ",
                    FormatBytes(result.bytes), "\n");
  }
  absl::StrAppend(
      &text, "Now set `engine: ", transfer.engine, "` for namespace ", transfer.namespace_name,
      " in the configuration and start waldend.\n"
      "Producers are not carried over, and their ids are refused. A producer that still\n"
      "waits for an answer must check what is stored before it sends again under a new id.\n"
      "The old log is in ",
      result.old_directory, "; remove it when you no longer need it.\n");
  return session.out().Write(text);
}

absl::Status Run(Session& session, const MigrateOptions& options) {
  const TransferOptions& transfer = options.transfer;
  Progress progress(session.err(), absl::StrCat("migrating ", transfer.namespace_name));
  const auto result =
      MigrateNamespace({.where = {.file_system = PosixFileSystem(),
                                  .data_directory = transfer.data_directory,
                                  .namespace_id = static_cast<NamespaceId>(transfer.namespace_id)},
                        .namespace_name = transfer.namespace_name,
                        .to = EngineNamed(transfer.engine),
                        .segment_size_bytes = transfer.segment_size_bytes,
                        .skip_damaged = options.skip_damaged},
                       [&](const MigrationProgress& seen) {
                         progress.Update({seen.records, seen.bytes, seen.total_bytes});
                         return !session.interrupt().requested();
                       });
  progress.Clear();
  if (!result.ok()) return FromTransfer(result.status(), "migrate");
  absl::Status printed = Print(session, options, *result);
  if (!printed.ok() || result->damaged.empty()) return printed;
  return Failure(
      absl::StatusCode::kDataLoss, kReasonDamageFound,
      absl::StrCat("migrated around ", Counted(result->damaged.size(), "damaged range")));
}

}  // namespace

void AddMigrateCommand(CommandSet& commands) {
  auto options = std::make_shared<MigrateOptions>();
  Command command = commands.AddOffline(
      "migrate",
      "Move a namespace to the other engine, offline, with its numbers and marks.\n"
      "It copies into DIR/NAME.migrating, compares the copy, and swaps the directories. The old\n"
      "directory stays as DIR/NAME.before-migration. The disk needs room for both. If it was\n"
      "stopped, the same command goes on from there. Producers are not carried over.\n"
      "A damaged namespace is exit code 4 and is not migrated; with --skip-damaged it is exit\n"
      "code 4, and everything else is migrated.",
      {"walden migrate --data-dir /var/lib/walden --namespace default --to rocksdb",
       "walden migrate --data-dir data --namespace 1 --to segment --segment-size 16MiB"});
  AddTransferOptions(command, options->transfer);
  command.Add("--to", options->transfer.engine, "New engine: segment or rocksdb")
      .Check(OneOf({"segment", "rocksdb"}))
      .Value("ENGINE")
      .Required();
  command.AddFlag("--skip-damaged", options->skip_damaged,
                  "Leave out damaged ranges and list them");
  command.Runs([options](Session& session) {
    const absl::Status found = FindNamespace(options->transfer, MustExist::kYes);
    if (!found.ok()) return found;
    if (options->transfer.namespace_id == 0) options->transfer.namespace_id = 1;
    return Run(session, *options);
  });
}

}  // namespace walden::cli
