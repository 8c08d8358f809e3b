// The faults that a test wants a region in memory to meet, and what happened to it.
#include <utility>

#include "tests/support/memory_engine/memory_store.h"

namespace walden {

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

}  // namespace walden
