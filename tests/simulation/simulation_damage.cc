// The end of a simulation: bits flip, on copies of the disk, and none of it may go unnoticed.
#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/error.h"
#include "engine/segment/segment_engine.h"
#include "tests/simulation/simulation.h"

namespace walden::testing {
namespace {

bool EndsWith(const std::string& path, const std::string& tail) {
  return absl::EndsWith(path, "/" + tail) || path == tail;
}

bool IsSegment(const std::string& path) { return absl::StrContains(path, "/seg_"); }

}  // namespace

absl::Status Simulation::DamageCopies() {
  LiftLimits();
  Region& region = regions_[0];
  for (int i = 0; i < 3 && !disk_.crashed(); ++i) {
    if (absl::Status status = Append(region); !status.ok()) return status;
  }
  const bool closed = random_.Percent(50);
  if (closed) {
    Note("close, then damage");
    if (absl::Status status = region.writer->Close(); !status.ok()) return status;
    region.model.EverythingIsDurable();
  } else {
    Note("kill, then damage");
    disk_.Kill();
    disk_.Restart();
  }
  region.writer.reset();
  for (int i = 0; i < 4; ++i) {
    if (absl::Status status = DamageOneCopy(region, closed); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Simulation::DamageOneCopy(Region& region, bool closed) {
  const auto copy = disk_.CopyOfDisk(random_.Next());
  std::vector<std::string> files = copy->FilesBelow(absl::StrCat("/data/default/", region.id));
  files.erase(std::remove_if(files.begin(), files.end(),
                             [&](const std::string& path) {
                               return absl::StrContains(path, "/evidence/") ||
                                      copy->ReadWhole(path).find_first_not_of('\0') ==
                                          std::string::npos;
                             }),
              files.end());
  const std::string& path = files[random_.Below(files.size())];
  const std::string bytes = copy->ReadWhole(path);
  const size_t used = bytes.find_last_not_of('\0') + 1;
  const uint64_t offset = random_.Percent(10) ? std::min(used + random_.Below(40), bytes.size() - 1)
                                              : random_.Below(used);
  const int bit = static_cast<int>(random_.Below(8));
  const RecoveryPolicy policy =
      random_.Percent(50) ? RecoveryPolicy::kRefuse : RecoveryPolicy::kQuarantine;
  Note(absl::StrCat("flip bit ", bit, " of byte ", offset, " (", used, " used) of ", path,
                    policy == RecoveryPolicy::kRefuse ? ", refuse" : ", quarantine"));
  copy->FlipBit(path, offset, bit);

  SegmentEngineOptions options;
  options.file_system = copy.get();
  options.clock = &clock_;
  options.data_directory = "/data";
  options.namespace_name = "default";
  auto engine = SegmentEngine::Open(options);
  if (!engine.ok()) return WithContext(engine.status(), "the engine does not open");
  RegionOptions region_options = region.options;
  region_options.recovery_policy = policy;
  auto log = (*engine)->OpenRegion(region.id, region_options, /*create=*/false);
  if (!log.ok()) {
    Note(absl::StrCat("  -> ", ShowStatus(log.status())));
    if (log.status().code() != absl::StatusCode::kDataLoss) {
      return WithContext(log.status(), "not reported as DATA_LOSS");
    }
    const auto info = GetErrorInfo(log.status());
    if (!info || !EndsWith(path, info->metadata.at("file").substr(
                                     info->metadata.at("file").rfind('/') + 1))) {
      return WithContext(log.status(), "the error names another file");
    }
    if (policy == RecoveryPolicy::kQuarantine && IsSegment(path)) {
      return WithContext(log.status(), "refused, though the policy is quarantine");
    }
    return absl::OkStatus();
  }
  return CompareDamaged(region, **log, path, offset, policy, closed);
}

absl::Status Simulation::CompareDamaged(const Region& region, RegionLog& log,
                                        const std::string& path, uint64_t offset,
                                        RecoveryPolicy policy, bool closed) {
  const OpeningReport report = log.Describe().opening;
  if (report.outcome == OpeningReport::Outcome::kClean) return region.model.CompareOpen(log);
  if (report.outcome == OpeningReport::Outcome::kTornTail) {
    Note(absl::StrCat("  -> torn tail of ", report.torn_tail_bytes, " bytes"));
    if (closed) return absl::InternalError("a torn tail in a log that was closed");
    if (report.evidence_file.empty()) return absl::InternalError("no evidence was kept");
    return region.model.CompareCutTail(log);
  }
  if (policy == RecoveryPolicy::kRefuse) return absl::InternalError("quarantined, not refused");
  bool covered = !IsSegment(path);
  for (const DamagedRange& range : report.damaged) {
    Note(absl::StrCat("  -> quarantined ", range.file, " [", range.offset, ", +", range.length,
                      ") ", range.first, "..", range.last, ": ", range.reason));
    covered |= range.offset <= offset && offset < range.offset + range.length &&
               path.substr(path.rfind('/')) == range.file.substr(range.file.rfind('/'));
  }
  if (!covered) return absl::InternalError("no reported range covers the flipped bit");
  for (const TableId table : region.model.Tables()) {
    for (const StoredRecord& record : region.model.Live(table)) {
      const auto read = ReadAll(log, ReadRange{table, record.sequence, record.sequence});
      if (read.ok() && *read == std::vector<StoredRecord>{record}) continue;
      const std::string name = absl::StrCat("table ", table, " sequence ", record.sequence);
      if (read.ok()) return absl::InternalError("silently lost or changed: " + name);
      if (read.status().code() != absl::StatusCode::kDataLoss) return read.status();
      bool reported = false;
      for (const DamagedRange& range : report.damaged) {
        reported |= range.first <= record.sequence && record.sequence <= range.last;
      }
      if (!reported) return absl::InternalError("DATA_LOSS outside of every range: " + name);
    }
  }
  Batch batch;
  batch.payloads = {"after the damage"};
  const AppendResult result = CommitOne(log, batch);
  if (!result.status.ok()) return WithContext(result.status, "append beside a quarantined range");
  if (result.first <= region.model.HighestAnswered(1)) {
    return absl::InternalError("a number came back after damage");
  }
  return absl::OkStatus();
}

}  // namespace walden::testing
