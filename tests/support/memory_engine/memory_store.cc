#include "tests/support/memory_engine/memory_store.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "engine/common/append_checks.h"
#include "engine/log_errors.h"

namespace walden {
namespace {

absl::Status IsDown() {
  return MakeError(absl::StatusCode::kUnavailable, ErrorReason::kIoError, "the store is down");
}

}  // namespace

absl::Status NoSuchMemoryRegion() {
  return MakeError(absl::StatusCode::kNotFound, ErrorReason::kRegionNotFound, "no such region");
}

// ---------------------------------------------------------------------------------------------------
// Faults

void MemoryRegion::SetFate(Fate fate, int nth) {
  absl::MutexLock lock(&mutex_);
  fates_.emplace_back(nth, fate);
}

std::shared_ptr<MemoryRegion::Fault> MemoryRegion::Begun(size_t batches) {
  absl::MutexLock lock(&mutex_);
  group_sizes_.push_back(batches);
  std::shared_ptr<Fault> fault;
  for (auto& [nth, fate] : fates_) {
    if (--nth == 0) fault = std::make_shared<Fault>(Fault{.fate = fate, .is_stored = {}});
  }
  std::erase_if(fates_, [](const auto& fate) { return fate.first == 0; });
  if (fault != nullptr) faults_.push_back(fault);
  return fault;
}

void MemoryRegion::Continue() {
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& known : faults_) {
      if (const auto fault = known.lock()) fault->goes_on = true;
    }
  }
  Tell();
}

void MemoryRegion::Resolve(bool is_stored) {
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& known : faults_) {
      if (const auto fault = known.lock()) fault->is_stored = is_stored;
    }
  }
  Tell();
}

void MemoryRegion::GiveUp(bool is_stored) {
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& known : faults_) {
      if (const auto fault = known.lock()) fault->given_up = true;
    }
  }
  Resolve(is_stored);
}

void MemoryRegion::SetHeld(Fault& fault, bool is_held) {
  absl::MutexLock lock(&mutex_);
  if (fault.is_held == is_held) return;
  fault.is_held = is_held;
  is_held ? ++held_ : --held_;
}

MemoryRegion::Fault MemoryRegion::Look(const std::shared_ptr<Fault>& fault) const {
  absl::MutexLock lock(&mutex_);
  return *fault;
}

size_t MemoryRegion::held() const {
  absl::MutexLock lock(&mutex_);
  return held_;
}

void MemoryRegion::AwaitHeld() {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(
      +[](size_t* held) { return *held > 0; }, &held_));
}

void MemoryRegion::SetInCommit(std::function<void()> in_commit) {
  absl::MutexLock lock(&mutex_);
  in_commit_ = std::move(in_commit);
}

std::function<void()> MemoryRegion::in_commit() const {
  absl::MutexLock lock(&mutex_);
  return in_commit_;
}

void MemoryRegion::SetInFirstSince(std::function<void()> in_first_since) {
  absl::MutexLock lock(&mutex_);
  in_first_since_ = std::move(in_first_since);
}

std::function<void()> MemoryRegion::in_first_since() const {
  absl::MutexLock lock(&mutex_);
  return in_first_since_;
}

void MemoryRegion::SetDamagedAt(SequenceNumber sequence) {
  absl::MutexLock lock(&mutex_);
  damaged_at_ = sequence;
}

SequenceNumber MemoryRegion::damaged_at() const {
  absl::MutexLock lock(&mutex_);
  return damaged_at_;
}

void MemoryRegion::SetEndless(TableId table, bool is_endless) {
  absl::MutexLock lock(&mutex_);
  if (is_endless) {
    endless_.insert(table);
  } else {
    endless_.erase(table);
  }
}

bool MemoryRegion::IsEndless(TableId table) const {
  absl::MutexLock lock(&mutex_);
  return endless_.contains(table);
}

void MemoryRegion::AddRecord(TableId table, SequenceNumber sequence, std::string payload) {
  MemoryChange change;
  change.records.push_back({.table = table,
                            .sequence = sequence,
                            .unix_micros = kAppendedUnixMicros,
                            .payload = std::move(payload)});
  AddBehindBack(std::move(change));
}

void MemoryRegion::AddRecords(TableId table, const std::vector<SequenceNumber>& sequences) {
  MemoryChange change;
  for (const SequenceNumber sequence : sequences) {
    change.records.push_back(
        {.table = table, .sequence = sequence, .unix_micros = kAppendedUnixMicros, .payload = ""});
  }
  AddBehindBack(std::move(change));
}

void MemoryRegion::AddMarks(std::vector<TableMark> marks) {
  MemoryChange change;
  change.marks = std::move(marks);
  AddBehindBack(std::move(change));
}

void MemoryRegion::AddNumbers(TableId table, SequenceNumber next) {
  MemoryChange change;
  change.next.emplace_back(table, next);
  AddBehindBack(std::move(change));
}

void MemoryRegion::AddBehindBack(MemoryChange change) {
  {
    absl::MutexLock lock(&mutex_);
    changes_.push_back(std::make_shared<const MemoryChange>(std::move(change)));
    synced_ = noted_ = changes_.size();
  }
  Tell(/*behind_back=*/true);
}

void MemoryRegion::Tell(bool behind_back) {
  std::vector<std::weak_ptr<MemoryRegionUser>> users;
  {
    absl::MutexLock lock(&mutex_);
    std::erase_if(users_, [](const auto& user) { return user.expired(); });
    users = users_;
  }
  for (const auto& known : users) {
    const auto user = known.lock();
    if (user == nullptr) continue;
    if (behind_back) {
      user->OnChangedBehindBack();
    } else {
      user->OnStoreChanged();
    }
  }
}

// ---------------------------------------------------------------------------------------------------
// What happened

std::vector<size_t> MemoryRegion::GroupSizes() const {
  absl::MutexLock lock(&mutex_);
  return group_sizes_;
}

std::vector<std::string> MemoryRegion::Payloads(TableId table) const {
  absl::MutexLock lock(&mutex_);
  std::vector<std::string> payloads;
  for (const auto& change : changes_) {
    for (const MemoryChange::Record& record : change->records) {
      if (record.table == table) payloads.push_back(record.payload);
    }
  }
  return payloads;
}

int MemoryRegion::syncs() const {
  absl::MutexLock lock(&mutex_);
  return syncs_;
}

int MemoryRegion::notes() const {
  absl::MutexLock lock(&mutex_);
  return notes_;
}

int MemoryRegion::closes() const {
  absl::MutexLock lock(&mutex_);
  return closes_;
}

int MemoryRegion::verifications() const {
  absl::MutexLock lock(&mutex_);
  return verifications_;
}

bool MemoryRegion::unsynced() const {
  absl::MutexLock lock(&mutex_);
  return synced_ < changes_.size();
}

std::string MemoryRegion::owner() const {
  absl::MutexLock lock(&mutex_);
  return owner_ ? owner_->address : "";
}

// ---------------------------------------------------------------------------------------------------
// The engine's side

bool MemoryRegion::exists() const {
  absl::MutexLock lock(&mutex_);
  return exists_;
}

absl::Status MemoryRegion::Create() {
  absl::MutexLock lock(&mutex_);
  if (exists_) return absl::OkStatus();
  const MemoryPower::Outcome outcome = power_->Change();
  exists_ = outcome != MemoryPower::Outcome::kDown;
  return outcome == MemoryPower::Outcome::kDone ? absl::OkStatus() : IsDown();
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
    if (outcome == MemoryPower::Outcome::kDown) return IsDown();
    exists_ = true;
    if (!claim.request.take_over && version.value_or(0) > region_version_) {
      MemoryChange change;
      change.region_version = region_version_ = *version;
      changes_.push_back(std::make_shared<const MemoryChange>(std::move(change)));
      synced_ = changes_.size();
    }
    owner_ = Owner{claim.identity, claim.address, region_version_};
    epoch = ++epoch_;
    if (outcome == MemoryPower::Outcome::kDoneAndDown) return IsDown();
  }
  Tell();
  return epoch;
}

absl::Status MemoryRegion::Release(uint64_t epoch) {
  {
    absl::MutexLock lock(&mutex_);
    if (epoch != epoch_) return absl::OkStatus();
    const MemoryPower::Outcome outcome = power_->Change();
    if (outcome == MemoryPower::Outcome::kDown) return IsDown();
    owner_.reset();
    ++epoch_;
    if (outcome == MemoryPower::Outcome::kDoneAndDown) return IsDown();
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
    if (outcome == MemoryPower::Outcome::kDown) return IsDown();
    for (const auto& change : changes) {
      changes_.push_back(change);
      region_version_ = std::max(region_version_, change->region_version.value_or(0));
    }
    if (outcome == MemoryPower::Outcome::kDoneAndDown) return IsDown();
  }
  Tell();
  return absl::OkStatus();
}

absl::Status MemoryRegion::Sync(uint64_t epoch) {
  absl::MutexLock lock(&mutex_);
  if (epoch != epoch_ || synced_ == changes_.size()) return absl::OkStatus();
  const MemoryPower::Outcome outcome = power_->Change();
  if (outcome != MemoryPower::Outcome::kDown) synced_ = changes_.size();
  return outcome == MemoryPower::Outcome::kDone ? absl::OkStatus() : IsDown();
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

// ---------------------------------------------------------------------------------------------------
// The store

void MemoryStore::Restart() {
  power_->Restart();
  for (const auto& [id, region] : Regions()) region->AfterCrash();
}

std::shared_ptr<MemoryRegion> MemoryStore::Region(RegionId region) {
  auto found = Find(region, /*make=*/true);
  (void)found->Create();
  return found;
}

absl::Status MemoryStore::CheckUp() const { return crashed() ? IsDown() : absl::OkStatus(); }

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
  if (outcome == MemoryPower::Outcome::kDown) return IsDown();
  found->Remove();
  {
    absl::MutexLock lock(&mutex_);
    regions_.erase(region);
  }
  if (outcome == MemoryPower::Outcome::kDoneAndDown) return IsDown();
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
