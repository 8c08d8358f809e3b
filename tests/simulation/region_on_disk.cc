#include "tests/simulation/region_on_disk.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/segment/segment_engine.h"
#include "engine/wait.h"
#include "tests/simulation/wrong.h"
#include "tests/support/log_verbs.h"
#include "tests/support/rocksdb_on_files.h"

namespace walden::testing {
namespace {

constexpr char kDirectory[] = "/data";
constexpr char kNamespace[] = "default";
constexpr RegionId kRegion = 7;

// After a failed sync the cache may lose bytes while the region is being opened.
constexpr int kOpeningAttempts = 8;

}  // namespace

RegionOnDisk::RegionOnDisk(Random* random, SimulatedEngine engine, bool every_operation,
                           Observer observe)
    : random_(random), kind_(engine), observe_(std::move(observe)), disk_(random->Next()) {
  if (every_operation) disk_.SetTrace(observe_);
  constexpr uint64_t kWriteBack[] = {0, 20, 60};
  disk_.SetWriteBack(kWriteBack[random_->Below(3)]);
}

RegionOnDisk::~RegionOnDisk() { EndProcess(); }

void RegionOnDisk::EndProcess() {
  log_.reset();
  engine_.reset();
}

absl::Status RegionOnDisk::Create(const RegionOptions& options) {
  RETURN_IF_WRONG(disk_.CreateDirectory(kDirectory));
  RETURN_IF_WRONG(disk_.SyncDirectory("/"));
  return Open(options, /*create=*/true);
}

absl::Status RegionOnDisk::Open(const RegionOptions& options, bool create) {
  EndProcess();
  const uint32_t alignment = random_->Percent(50) ? 4096 : 512;
  disk_.SetWriteAlignment(alignment);
  auto engine = OpenEngine();
  if (!engine.ok()) return engine.status();
  engine_ = *std::move(engine);
  auto log = OpenRegionAndWait(*engine_, kRegion, options, create);
  Note(absl::StrCat("open, writes aligned to ", alignment, " -> ", ShowStatus(log.status())));
  if (log.ok()) log_ = *std::move(log);
  return log.status();
}

absl::StatusOr<std::unique_ptr<LogEngine>> RegionOnDisk::OpenEngine() {
  if (kind_ == SimulatedEngine::kRocksdb) {
    return OpenRocksdbWith(
        &disk_, absl::StrCat(kDirectory, "/", kNamespace),
        {.reclaim_bytes = 16 << 10, .clock = &clock_, .wall_clock = &wall_clock_});
  }
  SegmentEngineOptions engine_options;
  engine_options.file_system = &disk_;
  engine_options.clock = &clock_;
  engine_options.wall_clock = &wall_clock_;
  engine_options.data_directory = kDirectory;
  engine_options.namespace_name = kNamespace;
  engine_options.spare_segments = 0;
  engine_options.random = [this] { return random_->Next(); };
  return SegmentEngine::Open(engine_options);
}

PowerLoss RegionOnDisk::RandomLoss() {
  constexpr PowerLoss kLosses[] = {PowerLoss::kRandom, PowerLoss::kPrefix, PowerLoss::kNothing,
                                   PowerLoss::kAll};
  return kLosses[random_->Below(4)];
}

void RegionOnDisk::ArmCrash(uint64_t within) {
  const Crash crash = random_->Percent(60) ? Crash::kPowerCut : Crash::kKill;
  const uint64_t nth = random_->Between(1, within);
  Note(absl::StrCat(crash == Crash::kKill ? "kill" : "power cut", " at change ", nth));
  disk_.CrashAt(nth, crash, RandomLoss());
}

bool RegionOnDisk::GoDown(bool may_close) {
  disk_.ClearFaults();
  disk_.CancelCrash();
  bool closed = false;
  if (may_close && !disk_.crashed() && random_->Percent(25)) {
    closed = CloseAndWait(*log_).ok();
    Note(closed ? "close" : "close fails");
  }
  if (!disk_.crashed()) {
    if (random_->Percent(40)) {
      Note("power cut");
      disk_.PowerCut(RandomLoss());
    } else {
      Note("kill");
      disk_.Kill();
    }
  }
  lost_power_ |= disk_.lost_power();
  EndProcess();
  disk_.Restart();
  return closed;
}

void RegionOnDisk::LoseUnsynced() {
  Note("power cut that loses everything unsynced");
  disk_.PowerCut(PowerLoss::kNothing);
  lost_power_ = true;
  EndProcess();
  disk_.Restart();
}

absl::Status RegionOnDisk::OpenAgain(const RegionOptions& options) {
  const bool may_crash = random_->Percent(20);
  if (may_crash) ArmCrash(20);
  absl::Status status = Open(options, /*create=*/false);
  disk_.CancelCrash();
  if (disk_.crashed()) {
    Note("it went down while the region was opened");
    lost_power_ |= disk_.lost_power();
    opening_was_cut_ = true;
    EndProcess();
    disk_.Restart();
    status = Open(options, /*create=*/false);
  }
  for (int i = 1; i < kOpeningAttempts && absl::IsUnavailable(status); ++i) {
    status = Open(options, /*create=*/false);
  }
  return status.ok() ? status : Wrong("the region does not open: ", ShowStatus(status));
}

std::vector<std::string> RegionOnDisk::Segments() const {
  std::vector<std::string> segments;
  for (std::string& path : disk_.FilesBelow(absl::StrCat(kDirectory, "/", kNamespace))) {
    if (absl::StrContains(path, "/seg_") && !absl::StrContains(path, "/evidence/")) {
      segments.push_back(std::move(path));
    }
  }
  return segments;
}

}  // namespace walden::testing
