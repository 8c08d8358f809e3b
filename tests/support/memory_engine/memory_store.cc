#include "tests/support/memory_engine/memory_store.h"

#include <utility>

#include "base/error.h"

namespace walden {

absl::Status NoSuchMemoryRegion() {
  return MakeError(absl::StatusCode::kNotFound, ErrorReason::kRegionNotFound, "no such region");
}

absl::Status MemoryStoreIsDown() {
  return MakeError(absl::StatusCode::kUnavailable, ErrorReason::kIoError, "the store is down");
}

void MemoryStore::Restart() {
  power_->Restart();
  for (const auto& [id, region] : Regions()) region->AfterCrash();
}

std::shared_ptr<MemoryRegion> MemoryStore::Region(RegionId region) {
  auto found = Find(region, /*make=*/true);
  (void)found->Create();
  return found;
}

absl::Status MemoryStore::CheckUp() const {
  return crashed() ? MemoryStoreIsDown() : absl::OkStatus();
}

std::shared_ptr<MemoryRegion> MemoryStore::Find(RegionId region, bool make) {
  absl::MutexLock lock(&mutex_);
  const auto found = regions_.find(region);
  if (found != regions_.end()) return found->second;
  if (!make) return nullptr;
  return regions_[region] = std::make_shared<MemoryRegion>(power_);
}

std::vector<std::pair<RegionId, std::shared_ptr<MemoryRegion>>> MemoryStore::Regions() const {
  absl::MutexLock lock(&mutex_);
  return {regions_.begin(), regions_.end()};
}

absl::StatusOr<bool> MemoryStore::Drop(RegionId region) {
  const auto found = Find(region, /*make=*/false);
  if (found == nullptr || !found->exists()) return false;
  const MemoryPower::Outcome outcome = power_->Change();
  if (outcome == MemoryPower::Outcome::kDown) return MemoryStoreIsDown();
  found->Remove();
  {
    absl::MutexLock lock(&mutex_);
    regions_.erase(region);
  }
  if (outcome == MemoryPower::Outcome::kDoneAndDown) return MemoryStoreIsDown();
  return true;
}

bool MemoryStore::TryLock() {
  absl::MutexLock lock(&mutex_);
  return !std::exchange(is_locked_, true);
}

void MemoryStore::Unlock() {
  absl::MutexLock lock(&mutex_);
  is_locked_ = false;
}

}  // namespace walden
