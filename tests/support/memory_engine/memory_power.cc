#include <algorithm>

#include "tests/support/memory_engine/memory_store.h"

namespace walden {

void MemoryPower::CrashAt(uint64_t nth, Loss loss) {
  absl::MutexLock lock(&mutex_);
  crash_at_ = changes_ + nth;
  loss_ = loss;
}

void MemoryPower::CancelCrash() {
  absl::MutexLock lock(&mutex_);
  crash_at_ = 0;
}

void MemoryPower::Crash(Loss loss) {
  absl::MutexLock lock(&mutex_);
  is_up_ = false;
  loss_ = loss;
}

bool MemoryPower::is_up() const {
  absl::MutexLock lock(&mutex_);
  return is_up_;
}

uint64_t MemoryPower::changes() const {
  absl::MutexLock lock(&mutex_);
  return changes_;
}

size_t MemoryPower::Survivors(size_t unsynced) {
  absl::MutexLock lock(&mutex_);
  if (loss_ == Loss::kNothingSurvives) return 0;
  return loss_ == Loss::kAllSurvives ? unsynced : random_.Between(0, unsynced);
}

void MemoryPower::Restart() {
  absl::MutexLock lock(&mutex_);
  is_up_ = true;
  crash_at_ = 0;
}

MemoryPower::Outcome MemoryPower::Change() {
  absl::MutexLock lock(&mutex_);
  if (!is_up_) return Outcome::kDown;
  ++changes_;
  if (changes_ != crash_at_) return Outcome::kDone;
  is_up_ = false;
  return random_.Percent(50) ? Outcome::kDoneAndDown : Outcome::kDown;
}

}  // namespace walden
