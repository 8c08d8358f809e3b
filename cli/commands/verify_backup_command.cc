// `walden verify-backup`.
#include <memory>

#include "absl/strings/str_cat.h"
#include "cli/commands/commands.h"
#include "cli/commands/offline_copy.h"
#include "cli/console/failure.h"
#include "cli/console/progress.h"
#include "cli/console/units.h"
#include "cli/console/wording.h"
#include "cli/reports/region_inspection.h"
#include "engine/backup/directory.h"
#include "engine/backup/verify.h"
#include "engine/io/posix_file_system.h"
#include "nlohmann/json.hpp"

namespace walden::cli {
namespace {

class VerifyBackupCommand {
 public:
  VerifyBackupCommand(Session& session, const std::string& directory)
      : session_(session), directory_(directory), progress_(session.err(), "verifying") {}

  absl::Status Run();

 private:
  absl::Status VerifyRegion(RegionId region);
  absl::Status PrintRegion(RegionId region, const backup::RegionVerification& verified);

  Session& session_;
  const std::string& directory_;
  Progress progress_;
  uint64_t bytes_ = 0;
  uint64_t findings_ = 0;
};

absl::Status VerifyBackupCommand::Run() {
  const auto contents = backup::ListBackup(PosixFileSystem(), directory_);
  if (!contents.ok()) return FromEngine(contents.status());
  const auto lock = backup::LockForReading(PosixFileSystem(), directory_);
  if (!lock.ok()) return FromEngine(lock.status());
  for (const RegionId region : contents->regions) {
    absl::Status verified = VerifyRegion(region);
    if (!verified.ok()) return WithContext(verified, absl::StrCat("region ", region, ": "));
  }
  for (const RegionId region : contents->unfinished) {
    session_.Note(absl::StrCat("region ", region,
                               ": has no finished copy yet; `walden backup` again finishes it"));
  }
  if (contents->regions.empty()) session_.Note("no region is in it");
  if (findings_ == 0) return absl::OkStatus();
  return Failure(absl::StatusCode::kDataLoss, kReasonDamageFound,
                 absl::StrCat("found ", Counted(findings_, "damaged place")));
}

absl::Status VerifyBackupCommand::VerifyRegion(RegionId region) {
  const auto verified =
      backup::VerifyRegion(PosixFileSystem(), directory_, region, [&](uint64_t bytes) {
        bytes_ += bytes;
        progress_.Update({0, bytes_, 0});
        return !session_.interrupt().requested();
      });
  progress_.Clear();
  if (!verified.ok()) return FromTransfer(verified.status(), "verify-backup");
  findings_ += verified->findings.size();
  return PrintRegion(region, *verified);
}

absl::Status VerifyBackupCommand::PrintRegion(RegionId region,
                                              const backup::RegionVerification& verified) {
  std::vector<DamagedRange> left_out;
  for (const backup::TableDamage& damage : verified.manifest.damage) {
    left_out.push_back(damage.range);
  }
  if (session_.json()) {
    Json line;
    line["region_id"] = region;
    line["taken_at"] = verified.manifest.taken_at;
    line["tables"] = verified.tables;
    line["records"] = verified.records;
    line["live_records"] = verified.live_records;
    line["live_payload_bytes"] = verified.payload_bytes;
    line["files"] = verified.files;
    line["bytes_checked"] = verified.bytes;
    line["unfinished_bytes"] = verified.unfinished_bytes;
    line["findings"] = DamageJson(verified.findings);
    line["left_out"] = DamageJson(left_out);
    return session_.PrintJson(line);
  }
  std::string text;
  for (const DamagedRange& finding : verified.findings) {
    absl::StrAppend(&text, "region ", region, ": damaged: ", finding.file, ": bytes [",
                    finding.offset, ", ", finding.offset + finding.length, ")");
    if (finding.last > 0) {
      absl::StrAppend(&text, ", records ", RangeText(finding.first, finding.last));
    }
    absl::StrAppend(&text, ": ", finding.reason, "\n");
  }
  absl::StrAppend(
      &text, "region ", region, ": ",
      verified.findings.empty() ? "sound" : Counted(verified.findings.size(), "damaged place"),
      ", as of ", verified.manifest.taken_at, ", ", Counted(verified.tables, "table"), ", ",
      Counted(verified.live_records, "live record"), ", ", FormatBytes(verified.bytes),
      " checked\n");
  if (verified.unfinished_bytes > 0) {
    absl::StrAppend(&text, "region ", region, ": ", FormatBytes(verified.unfinished_bytes),
                    " more are of a backup that was not finished\n");
  }
  return session_.out().Write(absl::StrCat(text, DamageLines(left_out)));
}

}  // namespace

void AddVerifyBackupCommand(CommandSet& commands) {
  auto directory = std::make_shared<std::string>();
  Command command = commands.AddOffline(
      "verify-backup",
      "Check every byte of a backup against its checksums, offline.\n"
      "Changes nothing. Exit code 4 if anything is damaged or missing.",
      {"walden verify-backup /backups/walden", "walden verify-backup /backups/walden --json"});
  command.Add("directory", *directory, "The backup").Value("DIR").Required();
  command.Runs(
      [directory](Session& session) { return VerifyBackupCommand(session, *directory).Run(); });
}

}  // namespace walden::cli
