// The machine of a simulation: starting, crashing, coming back.
#include "tests/simulation/simulation.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/error.h"
#include "engine/segment/segment_engine.h"
#include "tests/support/rocksdb_on_files.h"

namespace walden::testing {
namespace {

constexpr char kDirectory[] = "/data";

}  // namespace

Simulation::Simulation(uint64_t seed, SimulatedEngine engine, bool every_operation,
                       std::function<void(const std::string&)> observe)
    : kind_(engine),
      random_(seed),
      observe_(std::move(observe)),
      disk_(random_.Next()),
      background_(random_.Next()),
      turns_(random_.Next()) {
  if (every_operation) disk_.SetTrace([this](const std::string& line) { observe_(line); });
  constexpr uint64_t kWriteBack[] = {0, 0, 10, 60};
  disk_.SetWriteBack(kWriteBack[random_.Below(4)]);
  zeros_in_payloads_ = random_.Percent(30);
  disk_.SetWriteAlignment(random_.Percent(30) ? 4096 : 512);
  regions_.resize(random_.Between(1, 3));
  for (size_t i = 0; i < regions_.size(); ++i) {
    constexpr uint64_t kSegmentBytes[] = {4 << 10, 8 << 10, 16 << 10, 64 << 10};
    constexpr uint32_t kSyncEvery[] = {1, 3, 10};
    regions_[i].id = i + 1;
    regions_[i].tables = random_.Between(1, 4);
    regions_[i].options.segment_size_bytes = kSegmentBytes[random_.Below(4)];
    regions_[i].options.buffered_sync_every_writes = kSyncEvery[random_.Below(3)];
  }
}

Simulation::~Simulation() { StopProcess(); }

void Simulation::Note(const std::string& line) { observe_(line); }

absl::Status Simulation::Run() {
  absl::Status status = disk_.CreateDirectory(kDirectory);
  if (status.ok()) status = disk_.SyncDirectory("/");
  if (status.ok()) status = OpenEverything();
  const uint64_t steps = random_.Between(10, 120);
  for (uint64_t i = 0; status.ok() && i < steps; ++i) {
    clock_.Advance(absl::Microseconds(random_.Between(1, 50000)));
    if (random_.Percent(30)) background_.RunAll();
    status = disk_.crashed() ? RecoverFromCrash() : Step();
    // RocksDB's threads reach a crash too, in the middle of what this one does.
    const bool excused = kind_ == SimulatedEngine::kRocksdb && disk_.crashed();
    if (excused && absl::StrContains(status.message(), "UNAVAILABLE")) status = absl::OkStatus();
  }
  if (status.ok()) status = RecoverFromCrash();
  if (status.ok() && kind_ == SimulatedEngine::kSegment) status = DamageCopies();
  return status;
}

absl::Status Simulation::Step() {
  Region& region = regions_[random_.Below(regions_.size())];
  if (!region.log().Health().ok() && random_.Percent(50)) return Reopen(region);
  const uint64_t choice = random_.Below(100);
  if (choice < 52) return random_.Percent(5) ? OpenProducer(region) : Append(region);
  if (choice < 62) return Mark(region);
  if (choice < 66) return random_.Percent(40) ? NoteDurable(region) : Sync(region);
  if (choice < 74) return Read(region);
  if (choice < 76 && kind_ == SimulatedEngine::kSegment) return ReadWithErrors(region);
  if (choice < 78) return Verify(region);
  if (choice < 82) return Reopen(region);
  if (choice < 88) {
    ArmCrash(14);
  } else if (choice < 91) {
    Note("power cut");
    disk_.PowerCut(RandomLoss());
  } else if (choice < 93 || kind_ == SimulatedEngine::kRocksdb) {
    Note("kill");
    disk_.Kill();
  } else if (choice < 97) {
    InjectFault();
  } else {
    FillOrEmptyDisk();
  }
  return absl::OkStatus();
}

PowerLoss Simulation::RandomLoss() {
  constexpr PowerLoss kLosses[] = {PowerLoss::kRandom, PowerLoss::kRandom, PowerLoss::kPrefix,
                                   PowerLoss::kNothing, PowerLoss::kAll};
  return kLosses[random_.Below(5)];
}

void Simulation::ArmCrash(uint64_t within) {
  const uint64_t nth = random_.Between(1, within);
  const Crash crash = random_.Percent(70) ? Crash::kPowerCut : Crash::kKill;
  Note(absl::StrCat(crash == Crash::kKill ? "kill" : "power cut", " at change ", nth, " from now"));
  disk_.CrashAt(nth, crash, RandomLoss());
}

Trouble Simulation::TroubleOf(const Region& region) const {
  const bool faults = disk_.faults_hit() > region.faults_before;
  Trouble trouble;
  trouble.failed = faults || disk_.crashed();
  trouble.disk_full = faults || region.disk_was_full;
  trouble.lost_bytes = region.lost_bytes || faults;
  return trouble;
}

void Simulation::StopProcess() {
  turns_.RunAll();
  for (Region& region : regions_) region.writer.reset();
  background_.RunAll();  // it fails, the machine is down
  engine_.reset();
}

absl::Status Simulation::RecoverFromCrash() {
  if (!disk_.crashed()) {
    Note("kill");
    disk_.Kill();
  }
  for (int attempt = 0;; ++attempt) {
    for (Region& region : regions_) region.lost_bytes |= disk_.lost_power();
    StopProcess();
    if (attempt > 0 || random_.Percent(70)) {
      LiftLimits();
    }
    disk_.CancelCrash();
    disk_.Restart();
    Note("restart");
    if (attempt < 3 && random_.Percent(25)) ArmCrash(20);
    absl::Status status = OpenEverything();
    if (disk_.crashed()) continue;
    disk_.CancelCrash();
    return status;
  }
}

absl::Status Simulation::OpenEverything() {
  absl::Status status = OpenEngine();
  for (Region& region : regions_) {
    if (status.ok()) status = OpenRegion(region);
  }
  return status;
}

absl::StatusOr<std::unique_ptr<LogEngine>> Simulation::TryOpenEngine() {
  if (kind_ == SimulatedEngine::kRocksdb) {
    return OpenRocksdbOnFiles(&disk_, absl::StrCat(kDirectory, "/default"));
  }
  SegmentEngineOptions options;
  options.file_system = &disk_;
  options.clock = &clock_;
  options.background = random_.Percent(50) ? &background_ : nullptr;
  options.data_directory = kDirectory;
  options.namespace_name = "default";
  options.spare_segment_bytes = regions_[0].options.segment_size_bytes;
  options.random = [this] { return random_.Next(); };
  return SegmentEngine::Open(options);
}

absl::Status Simulation::OpenEngine() {
  for (int attempt = 0;; ++attempt) {
    const uint64_t faults_before = disk_.faults_hit();
    auto engine = TryOpenEngine();
    if (engine.ok()) {
      engine_ = std::move(*engine);
      return absl::OkStatus();
    }
    const bool excused =
        disk_.faults_hit() > faults_before || HasReason(engine.status(), ErrorReason::kDiskFull);
    if (disk_.crashed() || !excused || attempt > 0) return engine.status();
    Note(absl::StrCat("the engine does not open: ", ShowStatus(engine.status())));
    LiftLimits();
  }
}

absl::Status Simulation::OpenRegion(Region& region) {
  for (int attempt = 0;; ++attempt) {
    const uint64_t faults_before = disk_.faults_hit();
    auto log = engine_->OpenRegion(region.id, region.options, /*create=*/true);
    if (disk_.crashed()) return absl::OkStatus();
    if (log.ok()) {
      region.writer = random_.Percent(50)
                          ? WriteToLog(std::move(*log))
                          : WriteThroughActor(region.id, std::move(*log), &turns_, &random_);
      Trouble trouble = TroubleOf(region);
      trouble.lost_bytes |= disk_.faults_hit() > region.faults_before;
      region.faults_before = disk_.faults_hit();
      region.disk_was_full = disk_limited_;
      region.lost_bytes = false;
      absl::Status status = region.model.ResolveReopened(region.log(), trouble);
      if (disk_.crashed()) return absl::OkStatus();  // RocksDB's threads are at work too
      const OpeningReport report = region.log().Describe().opening;
      Note(absl::StrCat("region ", region.id, " opened, torn tail of ", report.torn_tail_bytes,
                        " bytes"));
      if (status.ok() && report.outcome == OpeningReport::Outcome::kQuarantined) {
        return absl::InternalError("quarantined though no byte was damaged");
      }
      return status.ok() ? status
                         : WithContext(status, absl::StrCat("region ", region.id, " reopened"));
    }
    // After a failed sync the cache may lose bytes while the region is being opened.
    const bool excused =
        disk_.faults_hit() > faults_before || HasReason(log.status(), ErrorReason::kDiskFull) ||
        (TroubleOf(region).failed && HasReason(log.status(), ErrorReason::kIoError));
    if (!excused || attempt > 2) {
      return WithContext(log.status(), absl::StrCat("region ", region.id, " does not open"));
    }
    Note(absl::StrCat("region ", region.id, " does not open: ", ShowStatus(log.status())));
    LiftLimits();
  }
}

}  // namespace walden::testing
