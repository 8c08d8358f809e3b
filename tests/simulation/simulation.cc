// The machine of a simulation: starting, crashing, coming back.
#include "tests/simulation/simulation.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "tests/simulation/wrong.h"

namespace walden::testing {

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
  constexpr uint64_t kBackground[] = {3, 10, 40};
  background_percent_ = kBackground[random_.Below(3)];
  zeros_in_payloads_ = random_.Percent(30);
  disk_.SetWriteAlignment(random_.Percent(30) ? 4096 : 512);
  ChooseRegions();
}

Simulation::~Simulation() { StopProcess(); }

void Simulation::Note(const std::string& line) { observe_(line); }

absl::Status Simulation::Run() {
  absl::Status status = disk_.CreateDirectory("/data");
  if (status.ok()) status = disk_.SyncDirectory("/");
  if (status.ok()) status = OpenEverything();
  const uint64_t steps = random_.Between(10, 120);
  for (uint64_t i = 0; status.ok() && i < steps; ++i) {
    PassTime();
    if (random_.Percent(background_percent_)) background_.RunOne();
    status = disk_.crashed() ? RecoverFromCrash() : Step();
    status.Update(TakeWrong());
    // RocksDB's threads reach a crash too, in the middle of what this one does.
    const bool excused = kind_ == SimulatedEngine::kRocksdb && disk_.crashed();
    const bool is_unavailable =
        absl::IsUnavailable(status) || absl::StrContains(status.message(), "UNAVAILABLE");
    if (excused && is_unavailable) status = absl::OkStatus();
  }
  if (status.ok()) status = RecoverFromCrash();
  if (!status.ok()) return status;
  return kind_ == SimulatedEngine::kSegment ? DamageCopies() : AdoptCopies();
}

absl::Status Simulation::Step() {
  Region& region = regions_[random_.Below(regions_.size())];
  const uint64_t choice = random_.Below(100);
  if (choice >= 82) return StepOfMachine(choice);
  if (region.writer == nullptr) return CreateOrOpen(region);
  if (!region.log().Health().ok() && random_.Percent(50)) return Reopen(region);
  if (region.wide() && choice < 16) return AppendToManyTables(region);
  if (region.wide() && choice < 32) return MarkManyTables(region);
  if (choice < 13 && !region.wide()) return Pipeline(region);
  if (choice < 50) return random_.Percent(5) ? OpenProducer(region) : Append(region);
  if (choice < 58) return Mark(region);
  if (choice < 60) return Fence(region);
  if (choice < 64) return random_.Percent(40) ? NoteDurable(region) : Sync(region);
  if (choice < 72) return Read(region);
  if (choice < 74 && kind_ == SimulatedEngine::kSegment) return ReadWithErrors(region);
  if (choice < 76) return Verify(region);
  if (choice < 79) return Drop(region);
  return Reopen(region);
}

absl::Status Simulation::StepOfMachine(uint64_t choice) {
  if (choice < 84) return RestartProcess();
  if (choice < 89) {
    ArmCrash(14);
  } else if (choice < 92) {
    Note("power cut");
    disk_.PowerCut(RandomLoss());
  } else if (choice < 94) {
    Note("kill");
    disk_.Kill();
  } else if (kind_ == SimulatedEngine::kSegment) {
    if (choice < 98) {
      InjectFault();
    } else {
      FillOrEmptyDisk();
    }
  } else {
    KeepHouse();
  }
  return absl::OkStatus();
}

// The clock on the wall also stands still, jumps and is set back.
void Simulation::PassTime() {
  const absl::Duration passed = absl::Microseconds(random_.Between(1, 50000));
  clock_.Advance(passed);
  if (random_.Percent(90)) wall_clock_.Advance(passed);
  if (random_.Percent(10)) wall_clock_.Advance(absl::Milliseconds(random_.Between(500, 5000)));
  if (random_.Percent(3)) wall_clock_.Advance(-absl::Milliseconds(random_.Between(1, 6000)));
  latest_micros_ = std::max(latest_micros_, wall_clock_.UnixMicros());
}

// As the daemon does each second, after a while in which nobody wrote.
void Simulation::KeepHouse() {
  const int ticks = random_.Between(1, 3);
  Note(absl::StrCat("housekeeping, ", ticks, " times"));
  clock_.Advance(absl::Seconds(random_.Percent(50) ? 6 : 1));
  for (int i = 0; i < ticks; ++i) {
    for (const auto& space : namespaces_) {
      if (space->engine != nullptr) space->engine->KeepHouse();
    }
    if (random_.Percent(50)) background_.RunOne();
  }
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
  EndOperations();
  for (Region& region : regions_) region.writer.reset();
  background_.RunAll();  // it fails if the machine is down
  for (const auto& space : namespaces_) space->engine.reset();
}

absl::Status Simulation::RecoverFromCrash() {
  if (!disk_.crashed()) {
    Note("kill");
    disk_.Kill();
  }
  for (int attempt = 0;; ++attempt) {
    for (Region& region : regions_) region.lost_bytes |= disk_.lost_power();
    StopProcess();
    RETURN_IF_WRONG(TakeWrong());
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

absl::Status Simulation::RestartProcess() {
  Note("stop and start");
  for (Region& region : regions_) {
    if (region.writer == nullptr) continue;
    if (absl::Status status = CloseForReopening(region); !status.ok()) return status;
    if (disk_.crashed()) return absl::OkStatus();
  }
  if (random_.Percent(50)) background_.RunAll();
  if (disk_.crashed()) return absl::OkStatus();
  StopProcess();
  if (disk_.crashed()) return absl::OkStatus();
  absl::Status status = OpenEverything();
  return disk_.crashed() ? absl::OkStatus() : status;
}

}  // namespace walden::testing
