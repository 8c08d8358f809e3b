// The end of a simulation: bits flip and holes appear on copies of the disk. The engine must notice
// all of it, at once and while a quarantined region goes on being used.
#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/segment/segment_engine.h"
#include "engine/wait.h"
#include "tests/simulation/simulation.h"
#include "tests/simulation/wrong.h"

namespace walden::testing {
namespace {

bool EndsWith(const std::string& path, const std::string& tail) {
  return absl::EndsWith(path, "/" + tail) || path == tail;
}

bool IsSegment(const std::string& path) { return absl::StrContains(path, "/seg_"); }

// Bytes through the last that is not zero.
uint64_t Used(const FaultFileSystem& disk, const std::string& path) {
  return disk.ReadWhole(path).find_last_not_of('\0') + 1;
}

std::string DirectoryOf(const std::string& region) { return absl::StrCat("/data/", region); }

// Files of the region that hold anything, but for evidence.
std::vector<std::string> FilesOf(const std::string& region, const FaultFileSystem& disk) {
  std::vector<std::string> files = disk.FilesBelow(DirectoryOf(region));
  files.erase(std::remove_if(files.begin(), files.end(),
                             [&](const std::string& path) {
                               return absl::StrContains(path, "/evidence/") ||
                                      Used(disk, path) == 0;
                             }),
              files.end());
  return files;
}

std::string NewestSegment(const std::string& region, const FaultFileSystem& disk) {
  std::string newest;
  for (const std::string& path : FilesOf(region, disk)) {
    if (!IsSegment(path)) continue;
    if (path.size() > newest.size() || (path.size() == newest.size() && path > newest)) {
      newest = path;
    }
  }
  return newest;
}

}  // namespace

absl::StatusOr<std::unique_ptr<LogEngine>> Simulation::OpenOnCopy(FaultFileSystem& copy,
                                                                  const std::string& name) {
  SegmentEngineOptions options;
  options.file_system = &copy;
  options.clock = &clock_;
  options.data_directory = "/data";
  options.namespace_name = name;
  return SegmentEngine::Open(options);
}

absl::Status Simulation::DamageCopies() {
  LiftLimits();
  Region& region = regions_[0];
  if (region.writer == nullptr) {
    if (absl::Status status = CreateOrOpen(region); !status.ok() || disk_.crashed()) return status;
    LiftLimits();
  }
  if (!region.log().Health().ok()) return absl::OkStatus();
  absl::Status status = large_records_ ? AppendLargeRecords(region) : absl::OkStatus();
  for (int i = 0; i < 3 && status.ok() && !disk_.crashed(); ++i) {
    status = random_.Percent(50) ? Append(region) : Pipeline(region, /*may_go_down=*/false);
  }
  // Two more appends, of which the last proves that all before it was durable.
  for (int i = 0; i < 2 && status.ok() && !disk_.crashed(); ++i) {
    newest_before_last_append_ = NewestSegment(region.name(), disk_);
    end_before_last_append_ = Used(disk_, newest_before_last_append_);
    Batch batch;
    batch.table = random_.Between(1, region.tables);
    batch.payloads = {random_.NonZeroBytes(random_.Between(1, 700))};
    status = Commit(region, {batch});
  }
  if (!status.ok() || disk_.crashed()) return status;
  const bool closed = random_.Percent(50);
  if (closed) {
    Note("close, then damage");
    status = Do(region, std::make_shared<Operation>(Operation{.kind = Operation::Kind::kClose}));
    if (!status.ok()) return status;
    region.model.EverythingIsDurable();
  } else {
    noted_ = random_.Percent(50);
    if (noted_) {
      status = NoteDurable(region);
      if (!status.ok() || disk_.crashed()) return status;
      noted_ = !region.log().HasUnnoted() && region.log().Health().ok();
    }
    if (!noted_ && random_.Percent(60)) RETURN_IF_WRONG(LeaveUnderWay(region));
    if (disk_.crashed()) return absl::OkStatus();
    Note("kill, then damage");
    disk_.Kill();
    EndOperations();
    RETURN_IF_WRONG(TakeWrong());
    disk_.Restart();
  }
  region.writer.reset();
  for (int i = 0; i < (large_records_ ? 1 : 4); ++i) {
    if (status = DamageOneCopy(region, closed); !status.ok()) return status;
  }
  return large_records_ ? absl::OkStatus() : VerifyHarmed(region);
}

// Begins operations, and leaves some of them under way.
absl::Status Simulation::LeaveUnderWay(Region& region) {
  pipeline_ = {.region = &region, .left = random_.Between(1, 10)};
  disk_.SetMeanwhile([this] { Meanwhile(); });
  while (region.wrong.ok() && !disk_.crashed() && pipeline_.left > 0) {
    StepOfPipeline(region);
  }
  EndPipeline();
  return std::exchange(region.wrong, absl::OkStatus());
}

absl::Status Simulation::AppendLargeRecords(Region& region) {
  Note("append 12 MiB");
  const int boundary = static_cast<int>(random_.Between(1, 8));
  for (int i = 0; i < 48; ++i) {
    if (i == boundary) {
      large_record_file_ = NewestSegment(region.name(), disk_);
      large_record_begin_ = Used(disk_, large_record_file_);
    }
    Batch batch;
    batch.table = random_.Between(1, region.tables);
    batch.payloads = {random_.NonZeroBytes(256 << 10)};
    absl::Status status = Commit(region, {batch});
    if (!status.ok() || disk_.crashed()) return status;
  }
  return absl::OkStatus();
}

std::optional<Simulation::Harm> Simulation::FlipABit(const Region& region, FaultFileSystem& disk) {
  const std::vector<std::string> files = FilesOf(region.name(), disk);
  const std::string& path = files[random_.Below(files.size())];
  const uint64_t used = Used(disk, path);
  const uint64_t size = disk.ReadWhole(path).size();
  const uint64_t offset =
      random_.Percent(10) ? std::min(used + random_.Below(40), size - 1) : random_.Below(used);
  const int bit = static_cast<int>(random_.Below(8));
  Note(absl::StrCat("flip bit ", bit, " of byte ", offset, " (", used, " used) of ", path));
  disk.FlipBit(path, offset, bit);
  return Harm{path, offset, offset + 1};
}

// Turns whole sectors of a segment into zeros. The last append stays, and with it the proof that
// the rest was durable.
std::optional<Simulation::Harm> Simulation::MakeAHole(const Region& region, FaultFileSystem& disk) {
  std::vector<std::string> files = FilesOf(region.name(), disk);
  files.erase(std::remove_if(files.begin(), files.end(),
                             [](const std::string& path) { return !IsSegment(path); }),
              files.end());
  const std::string& path = files[random_.Below(files.size())];
  const bool newest = path == newest_before_last_append_;
  if (path == NewestSegment(region.name(), disk) && !newest) return std::nullopt;
  const uint64_t end = newest ? end_before_last_append_ : Used(disk, path);
  if (end < kSectorBytes) return std::nullopt;
  const uint64_t sectors = end / kSectorBytes;
  const uint64_t first = random_.Below(sectors);
  uint64_t count = random_.Percent(50) ? random_.Between(1, 3) : random_.Between(1, sectors);
  count = std::min(count, sectors - first);
  Harm hole{path, first * kSectorBytes, (first + count) * kSectorBytes};
  if (path == large_record_file_) {
    // From the end of a record on, as if nothing had ever been written there.
    hole.begin = large_record_begin_;
    hole.end = std::min(end, hole.begin + random_.Between(1, 11) * (1 << 20));
  }
  if (hole.begin >= hole.end) return std::nullopt;
  const std::string before = disk.ReadWhole(path);
  disk.ZeroRange(path, hole.begin, hole.end - hole.begin);
  Note(absl::StrCat("zeros in [", hole.begin, ", ", hole.end, ") of ", path, ", ", end,
                    " before the last append"));
  return disk.ReadWhole(path) == before ? std::nullopt : std::optional<Harm>(hole);
}

absl::Status Simulation::DamageOneCopy(Region& region, bool closed) {
  const auto copy = disk_.CopyOfDisk(random_.Next());
  const RecoveryPolicy policy =
      random_.Percent(35) ? RecoveryPolicy::kRefuse : RecoveryPolicy::kQuarantine;
  const bool hole = large_records_ || random_.Percent(40);
  const std::optional<Harm> harm = hole ? MakeAHole(region, *copy) : FlipABit(region, *copy);
  if (!harm) return absl::OkStatus();
  Note(policy == RecoveryPolicy::kRefuse ? "  policy refuse" : "  policy quarantine");
  return OpenDamaged(region, *copy, *harm, policy, closed);
}

absl::Status Simulation::OpenDamaged(const Region& region, FaultFileSystem& disk, const Harm& harm,
                                     RecoveryPolicy policy, bool closed) {
  auto engine = OpenOnCopy(disk, region.home->name);
  if (!engine.ok()) return WithContext(engine.status(), "the engine does not open");
  RegionOptions options = region.options;
  options.recovery_policy = policy;
  auto log = OpenRegionAndWait(**engine, region.id, options, /*create=*/false);
  if (!log.ok()) {
    Note(absl::StrCat("  -> ", ShowStatus(log.status())));
    if (log.status().code() != absl::StatusCode::kDataLoss) {
      return WithContext(log.status(), "not reported as DATA_LOSS");
    }
    const auto info = GetErrorInfo(log.status());
    if (!info || !EndsWith(harm.path, info->metadata.at("file").substr(
                                          info->metadata.at("file").rfind('/') + 1))) {
      return WithContext(log.status(), "the error names another file");
    }
    if (policy == RecoveryPolicy::kQuarantine && IsSegment(harm.path)) {
      return WithContext(log.status(), "refused, though the policy is quarantine");
    }
    return absl::OkStatus();
  }
  absl::Status status = CompareDamaged(region, **log, harm, policy, closed);
  const bool quarantined =
      (*log)->Describe().opening.outcome == OpeningReport::Outcome::kQuarantined;
  if (!status.ok() || !quarantined || region.model.has_unanswered()) return status;
  return LiveWithDamage(region, disk, **engine, *std::move(log), options);
}

absl::Status Simulation::CompareDamaged(const Region& region, RegionLog& log, const Harm& harm,
                                        RecoveryPolicy policy, bool closed) {
  const OpeningReport report = log.Describe().opening;
  if (report.outcome == OpeningReport::Outcome::kClean) {
    if (closed) return WithContext(region.model.CompareOpen(log), "opened as clean");
    // Numbers that were reserved before the kill are passed over.
    RegionModel model = region.model;
    return WithContext(model.ResolveReopened(log, Trouble{}), "opened as clean");
  }
  if (report.outcome == OpeningReport::Outcome::kTornTail) {
    Note(absl::StrCat("  -> torn tail of ", report.torn_tail_bytes, " bytes"));
    if (closed) return absl::InternalError("a torn tail in a log that was closed");
    if (noted_ && IsSegment(harm.path)) {
      return absl::InternalError("a torn tail in a log that was idle before");
    }
    if (report.evidence_file.empty()) return absl::InternalError("no evidence was kept");
    return region.model.CompareCutTail(log);
  }
  if (policy == RecoveryPolicy::kRefuse) return absl::InternalError("quarantined, not refused");
  bool covered = !IsSegment(harm.path);
  for (const DamagedRange& range : report.damaged) {
    Note(absl::StrCat("  -> quarantined ", range.file, " [", range.offset, ", +", range.length,
                      ") ", range.first, "..", range.last, ": ", range.reason));
    covered |= range.offset < harm.end && harm.begin < range.offset + range.length &&
               harm.path.substr(harm.path.rfind('/')) == range.file.substr(range.file.rfind('/'));
  }
  if (!covered) return absl::InternalError("no reported range covers the damage");
  return SeekBesideDamage(region, log);
}

// A reader that begins where a seek by time says must find lost records, too, to report them.
absl::Status Simulation::SeekBesideDamage(const Region& region, const RegionLog& log) {
  const auto& batches = region.model.batches();
  for (int i = 0; i < 8 && !batches.empty(); ++i) {
    const RegionModel::StoredBatch& batch = batches[random_.Below(batches.size())];
    const int64_t micros = batch.unix_micros + static_cast<int64_t>(random_.Below(3)) - 1;
    for (const RegionModel::StoredPart& part : batch.parts) {
      const auto first = log.FirstSince(part.table, absl::FromUnixMicros(micros));
      absl::Status status = first.status();
      if (first.ok()) status = region.model.CheckNothingSkipped(part.table, micros, *first);
      if (!status.ok()) return WithContext(status, "a seek by time beside damage");
    }
  }
  return absl::OkStatus();
}

}  // namespace walden::testing
