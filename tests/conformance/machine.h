// A machine that an engine under test runs on and that crashes: with a disk for engines that keep
// files, and a store for the engine in memory. Everything random comes from one seed.
#pragma once

#include <cstdint>
#include <memory>

#include "tests/support/fault_file_system.h"
#include "tests/support/memory_engine/memory_store.h"

namespace walden::testing {

// After a crash every call of the engine fails until Restart().
class Machine {
 public:
  explicit Machine(uint64_t seed) : files_(seed), store_(std::make_shared<MemoryStore>(seed)) {}

  FaultFileSystem& files() { return files_; }
  const std::shared_ptr<MemoryStore>& store() const { return store_; }

  // The crash comes inside the n-th operation from now that changes something (1 = the next one).
  void CrashAt(uint64_t nth_change, Crash crash, PowerLoss loss = PowerLoss::kRandom) {
    files_.CrashAt(nth_change, crash, loss);
    store_->CrashAt(nth_change, LossOf(crash, loss));
  }
  void CancelCrash() {
    files_.CancelCrash();
    store_->CancelCrash();
  }
  bool crashed() const { return files_.crashed() || store_->crashed(); }
  uint64_t changes() const { return files_.changes() + store_->changes(); }

  void Kill() {
    files_.Kill();
    store_->Crash(LossOf(Crash::kKill, PowerLoss::kAll));
  }
  void PowerCut(PowerLoss loss = PowerLoss::kRandom) {
    files_.PowerCut(loss);
    store_->Crash(LossOf(Crash::kPowerCut, loss));
  }
  void Restart() {
    files_.Restart();
    store_->Restart();
  }

 private:
  static MemoryPower::Loss LossOf(Crash crash, PowerLoss loss) {
    if (crash == Crash::kKill || loss == PowerLoss::kAll) return MemoryPower::Loss::kAllSurvives;
    return loss == PowerLoss::kNothing ? MemoryPower::Loss::kNothingSurvives
                                       : MemoryPower::Loss::kSome;
  }

  FaultFileSystem files_;
  const std::shared_ptr<MemoryStore> store_;
};

}  // namespace walden::testing
