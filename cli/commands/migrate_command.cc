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
      "Producers are not carried over, and their ids are refused: one that still waits "
      "for an answer must look\nat what is there before it sends again under a new id.\n"
      "The old log is in ",
      result.old_directory, "; remove it once you are content.\n");
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

void AddMigrateCommand(CLI::App& app, Program& program) {
  auto options = std::make_shared<MigrateOptions>();
  CLI::App& command = AddOfflineCommand(
      app, program, "migrate",
      "Move a namespace to the other engine, offline, with its numbers and marks.\n"
      "Copies into DIR/NAME.migrating, compares, then swaps directories; the old one stays as\n"
      "DIR/NAME.before-migration. Needs room for a second copy. Interrupted or killed, the same\n"
      "command again goes on. Producers are not carried over.\n"
      "Exit code 4 and nothing swapped if the namespace is damaged; with --skip-damaged exit code "
      "4\nand what is left is migrated.",
      {"walden migrate --data-dir /var/lib/walden --namespace default --to rocksdb",
       "walden migrate --data-dir data --namespace default --to segment --segment-size 16MiB"});
  AddTransferOptions(command, options->transfer);
  command.add_option("--to", options->transfer.engine, "The engine it shall have")
      ->check(CLI::IsMember({"segment", "rocksdb"}))
      ->type_name("ENGINE")
      ->required();
  command.add_flag("--skip-damaged", options->skip_damaged,
                   "Leave out damaged ranges, and say which they are");
  command.callback([&program, options] {
    program.needs_daemon = false;
    program.command = [options](Session& session) { return Run(session, *options); };
  });
}

}  // namespace walden::cli
