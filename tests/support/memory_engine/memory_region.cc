// A region in memory, as engines use it: its changes and its owner.
#include <algorithm>
#include <utility>

#include "engine/common/append_checks.h"
#include "engine/log_errors.h"
#include "tests/support/memory_engine/memory_store.h"

namespace walden {

bool MemoryRegion::exists() const {
  absl::MutexLock lock(&mutex_);
  return exists_;
}

absl::Status MemoryRegion::Create() {
  absl::MutexLock lock(&mutex_);
  if (exists_) return absl::OkStatus();
  const MemoryPower::Outcome outcome = power_->Change();
  exists_ = outcome != MemoryPower::Outcome::kDown;
  return outcome == MemoryPower::Outcome::kDone ? absl::OkStatus() : MemoryStoreIsDown();
}

void MemoryRegion::Remove() {
  absl::MutexLock lock(&mutex_);
  exists_ = false;
  owner_.reset();
  ++epoch_;
}

void MemoryRegion::AddUser(std::weak_ptr<MemoryRegionUser> user) {
  absl::MutexLock lock(&mutex_);
  users_.push_back(std::move(user));
}

absl::StatusOr<uint64_t> MemoryRegion::Acquire(const Claim& claim) {
  uint64_t epoch = 0;
  const std::optional<uint64_t> version = claim.request.region_version;
  {
    absl::MutexLock lock(&mutex_);
    absl::Status status = CheckFence(version, region_version_);
    if (!status.ok()) return status;
    const bool is_others = owner_ && owner_->identity != claim.identity && !claim.by_opening;
    if (is_others && !claim.request.take_over && version.value_or(0) <= owner_->region_version) {
      return OwnedElsewhere(owner_->address);
    }
    if (!exists_ && !claim.creates) return NoSuchMemoryRegion();
    const MemoryPower::Outcome outcome = power_->Change();
    if (outcome == MemoryPower::Outcome::kDown) return MemoryStoreIsDown();
    exists_ = true;
    if (!claim.request.take_over && version.value_or(0) > region_version_) {
      MemoryChange change;
      change.region_version = region_version_ = *version;
      changes_.push_back(std::make_shared<const MemoryChange>(std::move(change)));
      synced_ = changes_.size();
    }
    owner_ = Owner{claim.identity, claim.address, region_version_};
    epoch = ++epoch_;
    if (outcome == MemoryPower::Outcome::kDoneAndDown) return MemoryStoreIsDown();
  }
  Tell();
  return epoch;
}

absl::Status MemoryRegion::Release(uint64_t epoch) {
  {
    absl::MutexLock lock(&mutex_);
    if (epoch != epoch_) return absl::OkStatus();
    const MemoryPower::Outcome outcome = power_->Change();
    if (outcome == MemoryPower::Outcome::kDown) return MemoryStoreIsDown();
    owner_.reset();
    ++epoch_;
    if (outcome == MemoryPower::Outcome::kDoneAndDown) return MemoryStoreIsDown();
  }
  Tell();
  return absl::OkStatus();
}

bool MemoryRegion::IsOwned(uint64_t epoch) const {
  absl::MutexLock lock(&mutex_);
  return epoch == epoch_;
}

bool MemoryRegion::IsOwnedBy(const std::string& identity) const {
  absl::MutexLock lock(&mutex_);
  return owner_ && owner_->identity == identity;
}

std::string MemoryRegion::OwnerBeside(const std::string& identity) const {
  absl::MutexLock lock(&mutex_);
  return owner_ && owner_->identity != identity ? owner_->address : "";
}

absl::Status MemoryRegion::Put(uint64_t epoch, const MemoryChanges& changes,
                               const std::string& identity) {
  if (changes.empty()) return absl::OkStatus();
  {
    absl::MutexLock lock(&mutex_);
    if (epoch != epoch_) {
      return OwnedElsewhere(owner_ && owner_->identity != identity ? owner_->address : "");
    }
    const MemoryPower::Outcome outcome = power_->Change();
    if (outcome == MemoryPower::Outcome::kDown) return MemoryStoreIsDown();
    for (const auto& change : changes) {
      changes_.push_back(change);
      region_version_ = std::max(region_version_, change->region_version.value_or(0));
    }
    if (outcome == MemoryPower::Outcome::kDoneAndDown) return MemoryStoreIsDown();
  }
  Tell();
  return absl::OkStatus();
}

absl::Status MemoryRegion::Sync(uint64_t epoch) {
  absl::MutexLock lock(&mutex_);
  if (epoch != epoch_ || synced_ == changes_.size()) return absl::OkStatus();
  const MemoryPower::Outcome outcome = power_->Change();
  if (outcome != MemoryPower::Outcome::kDown) synced_ = changes_.size();
  return outcome == MemoryPower::Outcome::kDone ? absl::OkStatus() : MemoryStoreIsDown();
}

MemoryRegion::Part MemoryRegion::From(size_t begin) const {
  absl::MutexLock lock(&mutex_);
  Part part{.changes = {}, .end = changes_.size(), .is_durable = synced_ == changes_.size()};
  if (begin < changes_.size()) {
    part.changes.assign(changes_.begin() + static_cast<std::ptrdiff_t>(begin), changes_.end());
  }
  return part;
}

size_t MemoryRegion::size() const {
  absl::MutexLock lock(&mutex_);
  return changes_.size();
}

bool MemoryRegion::HasUnnoted() const {
  absl::MutexLock lock(&mutex_);
  return synced_ == changes_.size() && noted_ != synced_;
}

void MemoryRegion::Noted() {
  absl::MutexLock lock(&mutex_);
  ++notes_;
  noted_ = synced_;
}

void MemoryRegion::Synced() {
  absl::MutexLock lock(&mutex_);
  ++syncs_;
}

void MemoryRegion::Closed() {
  absl::MutexLock lock(&mutex_);
  ++closes_;
  noted_ = synced_;
}

void MemoryRegion::Verified() {
  absl::MutexLock lock(&mutex_);
  ++verifications_;
}

// Numbers of lost records were perhaps told, so they are not given out again.
void MemoryRegion::AfterCrash() {
  absl::MutexLock lock(&mutex_);
  const size_t left = synced_ + power_->Survivors(changes_.size() - synced_);
  MemoryState lost;
  for (size_t i = left; i < changes_.size(); ++i) lost.Apply(*changes_[i]);
  changes_.resize(left);
  MemoryChange numbers;
  for (const auto& [table, state] : lost.tables) numbers.next.emplace_back(table, state.next);
  if (!numbers.next.empty()) {
    changes_.push_back(std::make_shared<const MemoryChange>(std::move(numbers)));
  }
  synced_ = noted_ = changes_.size();
  region_version_ = 0;
  for (const auto& change : changes_) {
    region_version_ = std::max(region_version_, change->region_version.value_or(0));
  }
  ++epoch_;
  users_.clear();
}

}  // namespace walden
