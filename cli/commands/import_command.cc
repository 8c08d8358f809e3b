// `walden import`: logs that other programs wrote.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "cli/commands/commands.h"
#include "cli/commands/offline_copy.h"
#include "cli/console/failure.h"
#include "cli/console/progress.h"
#include "cli/console/units.h"
#include "cli/console/wording.h"
#include "cli/reports/region_inspection.h"
#include "engine/horaedb/wal_import.h"
#include "engine/io/posix_file_system.h"
#include "engine/open/open_engine.h"
#include "engine/wait.h"
#include "nlohmann/json.hpp"

namespace walden::cli {
namespace {

struct ImportOptions {
  std::string format;
  TransferOptions transfer;
  std::string directory;
  std::optional<uint64_t> region;
};

struct SourceRegion {
  RegionId region = 0;
  std::string directory;
  std::string shown;
  uint64_t bytes = 0;
};

class ImportCommand {
 public:
  ImportCommand(Session& session, const ImportOptions& options)
      : session_(session),
        options_(options),
        progress_(session.err(), absl::StrCat("importing ", options.directory)) {}

  absl::Status Run();

 private:
  absl::Status FindRegions();
  absl::Status OpenTarget();
  absl::Status ImportRegion(const SourceRegion& source);
  absl::Status Print(RegionId region, const horaedb::WalImportResult& result);

  Session& session_;
  const ImportOptions& options_;
  FileSystem* const files_ = PosixFileSystem();
  Progress progress_;
  ProgressNumbers seen_;
  std::vector<SourceRegion> regions_;
  std::vector<std::string> ignored_;
  std::unique_ptr<LogEngine> engine_;
  size_t damaged_ = 0;
};

absl::Status ImportCommand::Run() {
  absl::Status status = FindRegions();
  if (status.ok()) status = OpenTarget();
  for (const SourceRegion& source : regions_) {
    if (status.ok()) status = ImportRegion(source);
  }
  progress_.Clear();
  for (const std::string& name : ignored_) {
    session_.Note(absl::StrCat(name, ": not part of the log, left out"));
  }
  if (!status.ok()) return FromTransfer(status, "import");
  if (damaged_ == 0) return absl::OkStatus();
  return Failure(absl::StatusCode::kDataLoss, kReasonDamageFound,
                 absl::StrCat("imported around ", Counted(damaged_, "damaged range")));
}

absl::Status ImportCommand::FindRegions() {
  const std::string& directory = options_.directory;
  if (options_.region.has_value()) {
    regions_.push_back({*options_.region, directory, directory, 0});
  } else {
    const auto names = files_->ListDirectory(directory);
    if (!names.ok()) return names.status();
    for (const std::string& name : *names) {
      RegionId region = 0;
      if (absl::StartsWith(name, "seg_")) {
        return Failure(absl::StatusCode::kInvalidArgument, kReasonBadInput,
                       absl::StrCat(directory, " has segments (", name,
                                    "), so it is one region's directory: give its id with "
                                    "--region, or import the directory above it"));
      }
      if (absl::SimpleAtoi(name, &region) && absl::StrCat(region) == name) {
        const std::string path = absl::StrCat(directory, "/", name);
        regions_.push_back({region, path, path, 0});
      } else {
        ignored_.push_back(absl::StrCat(directory, "/", name));
      }
    }
  }
  if (regions_.empty()) {
    return Failure(absl::StatusCode::kNotFound, kReasonBadInput,
                   absl::StrCat(directory,
                                " has no directory of a region, which is named by the "
                                "region's id: it is no HoraeDB local log"));
  }
  std::sort(regions_.begin(), regions_.end(),
            [](const auto& a, const auto& b) { return a.region < b.region; });
  for (SourceRegion& source : regions_) {
    const auto bytes = horaedb::WalBytes(files_, source.directory);
    if (!bytes.ok()) return bytes.status();
    source.bytes = *bytes;
    seen_.total_bytes += *bytes;
  }
  return absl::OkStatus();
}

absl::Status ImportCommand::OpenTarget() {
  const TransferOptions& transfer = options_.transfer;
  std::error_code error;
  std::filesystem::create_directories(transfer.data_directory, error);
  if (error) return FileFailure(error.value(), transfer.data_directory);
  DirectoryOwner engine = EngineNamed(transfer.engine);
  if (transfer.engine.empty()) {
    const auto stored = DetectDirectoryOwner(
        files_, absl::StrCat(transfer.data_directory, "/", transfer.namespace_name));
    if (!stored.ok()) return stored.status();
    engine = *stored == DirectoryOwner::kNone ? DirectoryOwner::kSegment : *stored;
  }
  auto opened = OpenOffline({.file_system = files_,
                             .data_directory = transfer.data_directory,
                             .namespace_id = static_cast<NamespaceId>(transfer.namespace_id)},
                            transfer.namespace_name, engine, /*caller_holds_lock=*/false);
  if (!opened.ok()) return opened.status();
  engine_ = *std::move(opened);
  return absl::OkStatus();
}

absl::Status ImportCommand::ImportRegion(const SourceRegion& source) {
  auto log = OpenRegionAndWait(*engine_, source.region,
                               {.segment_size_bytes = options_.transfer.segment_size_bytes}, true);
  if (!log.ok()) return log.status();
  const ProgressNumbers before = seen_;
  const auto result = horaedb::ImportWal(files_, source.directory, source.shown, **log,
                                         [&](const horaedb::WalImportProgress& of_region) {
                                           seen_.records = before.records + of_region.records;
                                           seen_.bytes = before.bytes + of_region.bytes;
                                           progress_.Update(seen_);
                                           return !session_.interrupt().requested();
                                         });
  if (!result.ok()) {
    return absl::IsCancelled(result.status())
               ? result.status()
               : WithContext(FromEngine(result.status()),
                             absl::StrCat("region ", source.region, ": "));
  }
  const absl::Status closed = CloseAndWait(**log);
  if (!closed.ok()) return closed;
  progress_.Clear();
  return Print(source.region, *result);
}

absl::Status ImportCommand::Print(RegionId region, const horaedb::WalImportResult& result) {
  damaged_ += result.damaged.size();
  for (const std::string& name : result.ignored) {
    ignored_.push_back(absl::StrCat("region ", region, ": ", name));
  }
  if (session_.json()) {
    Json json;
    json["region_id"] = region;
    json["segments"] = result.segments;
    json["tables"] = result.tables;
    json["records"] = result.records;
    json["payload_bytes"] = result.bytes;
    json["imported_records"] = result.imported_records;
    json["leftover_records"] = result.leftover_records;
    json["records_behind_damage"] = result.records_behind_damage;
    json["superseded_records"] = result.superseded_records;
    json["damaged_ranges"] = DamageJson(result.damaged);
    json["ignored"] = result.ignored;
    return session_.PrintJson(json);
  }
  std::string text =
      absl::StrCat("region ", region, ": ", Counted(result.records, "record"), " of ",
                   Counted(result.tables, "table"), ", ", FormatBytes(result.bytes), ", from ",
                   Counted(result.segments, "segment"), "; ", FormatCount(result.imported_records),
                   " of them imported now");
  if (result.leftover_records > 0) {
    absl::StrAppend(&text, "; ", Counted(result.leftover_records, "leftover"),
                    " with lower numbers left out");
  }
  if (result.records_behind_damage > 0) {
    absl::StrAppend(&text, "; ", FormatCount(result.records_behind_damage),
                    " of them behind damage, where HoraeDB does not read");
  }
  if (result.superseded_records > 0) {
    absl::StrAppend(&text, "; ", FormatCount(result.superseded_records),
                    " behind damage left out, because a newer segment has their numbers");
  }
  return session_.out().Write(absl::StrCat(text, "\n", DamageLines(result.damaged)));
}

}  // namespace

void AddImportCommand(CommandSet& commands) {
  auto options = std::make_shared<ImportOptions>();
  Command command = commands.AddOffline(
      "import",
      "Import a log that HoraeDB wrote on a local disk, offline, with tables and numbers.\n"
      "DIR holds a directory for each region, named by its id, with files seg_<id>; with\n"
      "--region DIR is one such directory. DIR is only read. If it was stopped, the same command\n"
      "goes on from there. Damage is exit code 4: the command lists it and imports the rest.\n"
      "(HoraeDB's log on RocksDB needs no import: docs/operators/rocksdb.md.)",
      {"walden import horaedb-local horaedb/wal --data-dir data --namespace default",
       "walden import horaedb-local wal/3 -r 3 --data-dir data --namespace default"});
  command.Add("format", options->format, "Kind of the log: horaedb-local")
      .Check(OneOf({"horaedb-local"}))
      .Value("FORMAT")
      .Required();
  command.Add("directory", options->directory, "The log").Value("DIR").Required();
  AddTransferOptions(command, options->transfer);
  command
      .Add("--engine", options->transfer.engine,
           "Engine of the namespace (default: the engine that it has, or segment)")
      .Check(OneOf({"segment", "rocksdb"}))
      .Value("ENGINE");
  command.Add("-r,--region", options->region, "DIR is this one region's directory")
      .Check(Number())
      .Value("ID");
  command.Runs([options](Session& session) {
    const absl::Status found = FindNamespace(options->transfer, MustExist::kNo);
    if (!found.ok()) return found;
    if (options->transfer.namespace_id == 0) options->transfer.namespace_id = 1;
    return ImportCommand(session, *options).Run();
  });
}

}  // namespace walden::cli
