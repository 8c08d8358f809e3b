// `walden restore`.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <system_error>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "cli/commands/commands.h"
#include "cli/commands/offline_copy.h"
#include "cli/console/failure.h"
#include "cli/console/progress.h"
#include "cli/console/units.h"
#include "cli/console/wording.h"
#include "cli/reports/region_inspection.h"
#include "engine/backup/directory.h"
#include "engine/backup/restore.h"
#include "engine/io/posix_file_system.h"
#include "nlohmann/json.hpp"

namespace walden::cli {
namespace {

struct RestoreCommandOptions {
  std::string directory;
  TransferOptions transfer;       // namespace id 0: the backup's
  std::vector<uint64_t> regions;  // empty: all
};

class RestoreCommand {
 public:
  RestoreCommand(Session& session, const RestoreCommandOptions& options)
      : session_(session), options_(options), progress_(session.err(), "restoring") {}

  absl::Status Run();

 private:
  absl::Status ChooseTarget();
  absl::Status Print(const std::vector<backup::RestoredRegion>& regions);
  std::string Advice() const;

  Session& session_;
  const RestoreCommandOptions& options_;
  Progress progress_;
  DirectoryOwner engine_ = DirectoryOwner::kNone;
  uint64_t namespace_id_ = 0;
};

absl::Status RestoreCommand::Run() {
  absl::Status status = ChooseTarget();
  if (!status.ok()) return status;
  const TransferOptions& transfer = options_.transfer;
  const auto restored =
      backup::RestoreBackup({.where = {.file_system = PosixFileSystem(),
                                       .data_directory = transfer.data_directory,
                                       .namespace_id = static_cast<NamespaceId>(namespace_id_)},
                             .namespace_name = transfer.namespace_name,
                             .engine = engine_,
                             .segment_size_bytes = transfer.segment_size_bytes,
                             .backup_directory = options_.directory,
                             .regions = options_.regions},
                            [&](const backup::RestoreProgress& seen) {
                              progress_.Update({seen.records, seen.bytes, seen.total_bytes});
                              return !session_.interrupt().requested();
                            });
  progress_.Clear();
  if (!restored.ok()) return FromTransfer(restored.status(), "restore");
  status = Print(*restored);
  size_t damaged = 0;
  for (const backup::RestoredRegion& region : *restored) damaged += region.damaged.size();
  if (!status.ok() || damaged == 0) return status;
  return Failure(
      absl::StatusCode::kDataLoss, kReasonDamageFound,
      absl::StrCat("restored; the backup had left out ", Counted(damaged, "damaged range")));
}

// Engine and namespace id, where they are not given: what is there already, else the backup's.
absl::Status RestoreCommand::ChooseTarget() {
  FileSystem* const files = PosixFileSystem();
  const TransferOptions& transfer = options_.transfer;
  const auto contents = backup::ListBackup(files, options_.directory);
  if (!contents.ok()) return FromEngine(contents.status());
  if (contents->regions.empty()) {
    return Failure(absl::StatusCode::kNotFound, kReasonBadInput,
                   absl::StrCat(options_.directory,
                                " has no finished copy of any region: run "
                                "`walden backup` again to finish it"));
  }
  namespace_id_ =
      transfer.namespace_id == 0 ? contents->identity.namespace_id : transfer.namespace_id;
  std::error_code error;
  std::filesystem::create_directories(transfer.data_directory, error);
  if (error) return FileFailure(error.value(), transfer.data_directory);
  if (!transfer.engine.empty()) {
    engine_ = EngineNamed(transfer.engine);
    return absl::OkStatus();
  }
  const auto stored = DetectDirectoryOwner(
      files, absl::StrCat(transfer.data_directory, "/", transfer.namespace_name));
  if (!stored.ok()) return FromEngine(stored.status());
  engine_ = *stored;
  if (engine_ != DirectoryOwner::kNone) return absl::OkStatus();
  const auto manifest = backup::ReadManifest(
      files, backup::RegionDirectory(options_.directory, contents->regions.front()));
  if (!manifest.ok()) return FromEngine(manifest.status());
  engine_ = EngineNamed(manifest->engine);
  return absl::OkStatus();
}

std::string RestoreCommand::Advice() const {
  const TransferOptions& transfer = options_.transfer;
  return absl::StrCat(
      "Now set `engine: ", DirectoryOwnerName(engine_), "` and id ", namespace_id_,
      " for namespace ", transfer.namespace_name, " in the configuration, data_dir ",
      transfer.data_directory,
      ", and start waldend.\n"
      "Records that were appended after the backup are not there, and their numbers are\n"
      "given out again. Producers are not part of a backup: their ids are refused and not\n"
      "issued again.\n");
}

absl::Status RestoreCommand::Print(const std::vector<backup::RestoredRegion>& regions) {
  std::string text;
  for (const backup::RestoredRegion& region : regions) {
    if (session_.json()) {
      Json line;
      line["region_id"] = region.region;
      line["taken_at"] = region.taken_at;
      line["exact"] = region.exact;
      line["engine"] = std::string(DirectoryOwnerName(engine_));
      line["tables"] = region.tables;
      line["records"] = region.records;
      line["payload_bytes"] = region.bytes;
      line["restored_records"] = region.restored_records;
      line["damaged_ranges"] = DamageJson(region.damaged);
      absl::Status printed = session_.PrintJson(line);
      if (!printed.ok()) return printed;
      continue;
    }
    absl::StrAppend(&text, "region ", region.region, ": restored and compared, as of ",
                    region.taken_at, ": ", Counted(region.tables, "table"), ", ",
                    Counted(region.records, "record"), ", ", FormatBytes(region.bytes), "\n",
                    DamageLines(region.damaged));
  }
  return session_.json() ? absl::OkStatus() : session_.out().Write(absl::StrCat(text, Advice()));
}

}  // namespace

void AddRestoreCommand(CommandSet& commands) {
  auto options = std::make_shared<RestoreCommandOptions>();
  Command command = commands.AddOffline(
      "restore",
      "Bring a backup back into a data directory, offline, with its numbers and marks.\n"
      "It checks every byte of the backup before it writes, and compares afterwards. A region\n"
      "that exists already is never touched. If it was stopped, the same command goes on from\n"
      "there; until it is done no daemon opens the namespace. Either engine takes any backup.\n"
      "A damaged backup is exit code 4, and nothing is written.",
      {"walden restore /backups/walden --data-dir /var/lib/walden --namespace default",
       "walden restore backup --data-dir data --namespace 1 -r 7 --engine rocksdb"});
  command.Add("directory", options->directory, "The backup").Value("DIR").Required();
  AddTransferOptions(command, options->transfer);
  command
      .Add("--engine", options->transfer.engine,
           "Engine of the namespace (default: the engine that it has, or the backup's)")
      .Check(OneOf({"segment", "rocksdb"}))
      .Value("ENGINE");
  command.Add("-r,--region", options->regions, "Only this region; may be repeated")
      .Check(Number())
      .Value("ID");
  command.Runs([options](Session& session) {
    const absl::Status found = FindNamespace(options->transfer, MustExist::kNo);
    if (!found.ok()) return found;
    return RestoreCommand(session, *options).Run();
  });
}

}  // namespace walden::cli
