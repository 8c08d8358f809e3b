// `walden backup`.
#include <algorithm>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "cli/client/admin_pages.h"
#include "cli/client/region_backup.h"
#include "cli/commands/commands.h"
#include "cli/commands/offline_copy.h"
#include "cli/console/failure.h"
#include "cli/console/progress.h"
#include "cli/console/units.h"
#include "cli/console/wording.h"
#include "cli/reports/region_inspection.h"
#include "engine/backup/directory.h"
#include "engine/io/posix_file_system.h"
#include "nlohmann/json.hpp"

namespace walden::cli {
namespace {

struct BackupOptions {
  std::string directory;
  std::vector<uint64_t> regions;  // empty: all of the namespace
  bool skip_damaged = false;
};

struct BackupCounts {
  uint64_t regions = 0;
  uint64_t tables = 0;
  uint64_t records = 0;        // in the backup's files
  uint64_t payload_bytes = 0;  // theirs
  uint64_t new_records = 0;
  uint64_t new_payload_bytes = 0;

  void Add(const BackupCounts& other) {
    regions += other.regions;
    tables += other.tables;
    records += other.records;
    payload_bytes += other.payload_bytes;
    new_records += other.new_records;
    new_payload_bytes += other.new_payload_bytes;
  }
};

class BackupCommand {
 public:
  BackupCommand(Session& session, const BackupOptions& options)
      : session_(session), options_(options), progress_(session.err(), "backing up") {}

  absl::Status Run();

 private:
  absl::Status FindNamespace();
  absl::StatusOr<std::vector<uint64_t>> Regions();
  absl::Status BackUp(const std::vector<uint64_t>& regions);
  absl::Status BackUpRegion(uint64_t region);
  absl::Status PrintRegion(const backup::Manifest& manifest, const BackupCounts& counts);
  absl::Status PrintSummary();

  Session& session_;
  const BackupOptions& options_;
  Progress progress_;
  backup::Identity identity_;
  BackupCounts total_;
  uint64_t damaged_ = 0;
};

absl::Status BackupCommand::Run() {
  absl::Status status = FindNamespace();
  if (!status.ok()) return status;
  const auto regions = Regions();
  if (!regions.ok()) return regions.status();
  const auto lock = backup::OpenForBackup(PosixFileSystem(), options_.directory, identity_);
  if (!lock.ok()) return FromEngine(lock.status());
  status = BackUp(*regions);
  progress_.Clear();
  if (!status.ok()) return status;
  status = PrintSummary();
  if (!status.ok() || damaged_ == 0) return status;
  return Failure(absl::StatusCode::kDataLoss, kReasonDamageFound,
                 absl::StrCat("backed up around ", Counted(damaged_, "damaged range")));
}

absl::Status BackupCommand::FindNamespace() {
  const auto answer = ListNamespaces(session_.connection());
  if (!answer.ok()) return answer.status();
  const uint32_t wanted = session_.common().namespace_id;
  for (const v1::NamespaceInfo& info : answer->namespaces()) {
    if (wanted == 0 ? !info.is_default() : info.namespace_id() != wanted) continue;
    identity_ = {.namespace_id = static_cast<NamespaceId>(info.namespace_id()),
                 .namespace_name = info.name(),
                 .address = session_.common().address};
    return absl::OkStatus();
  }
  return Failure(absl::StatusCode::kInvalidArgument, "UNKNOWN_NAMESPACE",
                 absl::StrCat("the daemon has no namespace ", wanted),
                 {{"field", "namespace_id"}, {"value", absl::StrCat(wanted)}});
}

absl::StatusOr<std::vector<uint64_t>> BackupCommand::Regions() {
  if (!options_.regions.empty()) return options_.regions;
  auto regions = RegionIds(session_.connection(), identity_.namespace_id);
  if (regions.ok() && regions->empty()) session_.Note("no regions yet");
  return regions;
}

// A damaged region does not keep the others from being backed up; anything else ends it.
absl::Status BackupCommand::BackUp(const std::vector<uint64_t>& regions) {
  absl::Status first_failure;
  for (const uint64_t region : regions) {
    const absl::Status done =
        WithContext(BackUpRegion(region), absl::StrCat("region ", region, ": "));
    if (done.ok()) continue;
    if (!absl::IsDataLoss(done)) {
      progress_.Clear();
      if (!absl::IsFailedPrecondition(done)) {
        session_.Note("the copied records are kept; the same command goes on after them");
      }
      return done;
    }
    progress_.Clear();
    if (first_failure.ok()) {
      first_failure = done;
    } else {
      session_.Note(FailureText(done, session_.common().endpoint()));
    }
  }
  const auto contents = backup::ListBackup(PosixFileSystem(), options_.directory);
  if (!contents.ok()) return FromEngine(contents.status());
  for (const RegionId kept : contents->regions) {
    if (!options_.regions.empty() ||
        std::find(regions.begin(), regions.end(), kept) != regions.end()) {
      continue;
    }
    session_.Note(
        absl::StrCat("region ", kept, " is not in the namespace any more; its last copy is kept"));
  }
  return first_failure;
}

absl::Status BackupCommand::BackUpRegion(uint64_t region) {
  const auto writer = backup::RegionWriter::Open({.file_system = PosixFileSystem(),
                                                  .backup_directory = options_.directory,
                                                  .identity = identity_,
                                                  .region = region});
  if (!writer.ok()) return FromEngine(writer.status());
  if ((*writer)->found_records() > 0) {
    progress_.Clear();
    session_.Note(absl::StrCat("region ", region, ": goes on after ",
                               Counted((*writer)->found_records(), "record"),
                               " of an unfinished backup"));
  }
  const auto show = [&] {
    progress_.Update({total_.new_records + (*writer)->added_records(),
                      total_.new_payload_bytes + (*writer)->added_payload_bytes(), 0});
  };
  RegionBackup copying(session_.connection(), **writer,
                       {.namespace_id = identity_.namespace_id,
                        .region = region,
                        .skip_damaged = options_.skip_damaged},
                       show);
  const auto cut = copying.Run();
  if (!cut.ok()) return cut.status();
  absl::Status committed = (*writer)->Commit(*cut);
  if (!committed.ok()) return FromEngine(committed);
  BackupCounts counts{.regions = 1,
                      .tables = cut->tables.size(),
                      .new_records = (*writer)->added_records(),
                      .new_payload_bytes = (*writer)->added_payload_bytes()};
  for (const backup::DataFile& file : (*writer)->manifest().files) {
    for (const backup::Run& run : file.runs) {
      counts.records += run.records;
      counts.payload_bytes += run.payload_bytes;
    }
  }
  total_.Add(counts);
  damaged_ += (*writer)->manifest().damage.size();
  progress_.Clear();
  return PrintRegion((*writer)->manifest(), counts);
}

Json CountsJson(const BackupCounts& counts) {
  return {{"tables", counts.tables},
          {"records", counts.records},
          {"payload_bytes", counts.payload_bytes},
          {"new_records", counts.new_records},
          {"new_payload_bytes", counts.new_payload_bytes}};
}

absl::Status BackupCommand::PrintRegion(const backup::Manifest& manifest,
                                        const BackupCounts& counts) {
  std::vector<DamagedRange> damaged;
  for (const backup::TableDamage& damage : manifest.damage) damaged.push_back(damage.range);
  if (session_.json()) {
    Json line;
    line["region_id"] = manifest.region;
    line["taken_at"] = manifest.taken_at;
    line["exact"] = manifest.exact;
    line.update(CountsJson(counts));
    line["damaged_ranges"] = DamageJson(damaged);
    return session_.PrintJson(line);
  }
  std::string text =
      absl::StrCat("region ", manifest.region, ": as of ", manifest.taken_at, ", ",
                   Counted(counts.tables, "table"), ", ", Counted(counts.records, "record"), ", ",
                   FormatBytes(counts.payload_bytes), "; ", FormatCount(counts.new_records),
                   " of them copied now\n");
  if (!manifest.exact) {
    absl::StrAppend(&text, "region ", manifest.region,
                    ": marks rose while it was copied; they may be later than its records\n");
  }
  return session_.out().Write(absl::StrCat(text, DamageLines(damaged)));
}

absl::Status BackupCommand::PrintSummary() {
  const double seconds = absl::ToDoubleSeconds(progress_.elapsed());
  if (session_.json()) {
    Json summary;
    summary["namespace_id"] = identity_.namespace_id;
    summary["namespace"] = identity_.namespace_name;
    summary["regions"] = total_.regions;
    summary.update(CountsJson(total_));
    summary["seconds"] = seconds;
    Json line;
    line["summary"] = summary;
    return session_.PrintJson(line);
  }
  return session_.out().Write(absl::StrCat(
      "namespace ", identity_.namespace_name, ": ", Counted(total_.regions, "region"),
      " backed up into ", options_.directory, ", ", FormatBytes(total_.new_payload_bytes),
      " new in ", FormatTime(absl::Seconds(seconds)),
      "\nProducers are not part of a backup: after a restore their ids are refused.\n"));
}

}  // namespace

void AddBackupCommand(CommandSet& commands) {
  auto options = std::make_shared<BackupOptions>();
  Command command = commands.Add(
      "backup",
      "Copy a namespace, or regions of it, into DIR while the daemon serves it.\n"
      "The same command again brings DIR up to date: it copies new records and removes those\n"
      "that were marked deleted. If it was stopped, it goes on from there; until it is done the\n"
      "last finished copy stays whole. Each region is as it was at one moment.\n"
      "A damaged region is exit code 4 and keeps its last copy; with --skip-damaged everything\n"
      "else of it is copied. docs/operators/backup.md has more.",
      {"walden backup /backups/walden",
       "walden backup /backups/walden --region 1 --region 2 --json",
       "walden verify-backup /backups/walden"});
  command.Add("directory", options->directory, "The backup, new or to be brought up to date")
      .Value("DIR")
      .Required();
  command.Add("-r,--region", options->regions, "Only this region; may be repeated")
      .Check(Number())
      .Value("ID");
  command.AddFlag("--skip-damaged", options->skip_damaged,
                  "Leave out damaged ranges and list them");
  command.Runs([options](Session& session) { return BackupCommand(session, *options).Run(); });
}

}  // namespace walden::cli
