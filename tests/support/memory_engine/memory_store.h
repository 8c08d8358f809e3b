// What engines in memory share, as engines on other media share a bucket or a disk: regions, who owns
// them, and the faults that a test wants them to meet.
//
// A store can crash, as a machine does: then every use of it fails until Restart, and changes that
// were not synced may be gone.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "engine/log_engine.h"
#include "engine/types.h"
#include "tests/support/memory_engine/memory_state.h"
#include "tests/support/random.h"

namespace walden {

// When records are appended, unless an engine is given a clock.
inline constexpr int64_t kAppendedUnixMicros = 1'700'000'000'123'456;

using MemoryChanges = std::vector<std::shared_ptr<const MemoryChange>>;

absl::Status NoSuchMemoryRegion();  // NOT_FOUND
absl::Status MemoryStoreIsDown();   // UNAVAILABLE (IO_ERROR)

// Whether the store is up, and when it crashes. Any thread.
class MemoryPower {
 public:
  enum class Loss { kNothingSurvives, kSome, kAllSurvives };  // of what was not synced
  enum class Outcome { kDone, kDoneAndDown, kDown };

  explicit MemoryPower(uint64_t seed) : random_(seed) {}

  // Crashes in the n-th change from now (1 = the next one), which is made or not.
  void CrashAt(uint64_t nth, Loss loss);
  void CancelCrash();
  void Crash(Loss loss);
  bool is_up() const;
  uint64_t changes() const;
  // How many of `unsynced` changes survive the crash.
  size_t Survivors(size_t unsynced);
  void Restart();

  // Of a change that is about to be made.
  Outcome Change();

 private:
  mutable absl::Mutex mutex_;
  testing::Random random_ ABSL_GUARDED_BY(mutex_);
  bool is_up_ ABSL_GUARDED_BY(mutex_) = true;
  Loss loss_ ABSL_GUARDED_BY(mutex_) = Loss::kSome;
  uint64_t changes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t crash_at_ ABSL_GUARDED_BY(mutex_) = 0;  // 0: never
};

// An open log of a region, as its store sees it.
class MemoryRegionUser {
 public:
  virtual ~MemoryRegionUser() = default;
  // The region was changed, has another owner, or a fault ended. Called without a lock.
  virtual void OnStoreChanged() = 0;
  // Like it, for changes that were made behind the back of the owner.
  virtual void OnChangedBehindBack() = 0;
};

// A region in the store. Any thread.
class MemoryRegion {
 public:
  // What a commit meets.
  enum class Fate {
    kHold,         // waits before it reaches the store, until Continue
    kAnswerLater,  // reaches the store, and is answered after Continue
    kFail,         // is not stored; the region fails
    kFailStored,   // is stored; the region fails
    kFailSync,     // is written and not synced; the region fails
    kLoseAnswer,   // nobody knows whether it is stored until Resolve or GiveUp
  };

  explicit MemoryRegion(std::shared_ptr<MemoryPower> power) : power_(std::move(power)) {}

  // --- Faults ---

  // Of the n-th commit that is begun from now on (1 = the next one).
  void SetFate(Fate fate, int nth = 1);
  // Goes on with every commit that waits for it.
  void Continue();
  // Ends the doubt about every commit whose answer was lost.
  void Resolve(bool is_stored);
  // The engine stops looking for the answers, and the region fails.
  void GiveUp(bool is_stored);
  // Commits that stand where their fate holds them.
  size_t held() const;
  void AwaitHeld();
  // Runs inside each commit, before anything is stored: to hold the writer up.
  void SetInCommit(std::function<void()> in_commit);
  // Runs before each search by time.
  void SetInFirstSince(std::function<void()> in_first_since);
  // Reading the record of this number, of any table, is DATA_LOSS; 0: none.
  void SetDamagedAt(SequenceNumber sequence);
  // Readers of the table find nothing, and not the end either.
  void SetEndless(TableId table, bool is_endless);

  // --- Changes behind the back of an open log that has nothing under way. No reader is told. ---

  void AddRecord(TableId table, SequenceNumber sequence, std::string payload);
  // Empty ones, with rising numbers.
  void AddRecords(TableId table, const std::vector<SequenceNumber>& sequences);
  // Not clamped to the table's end.
  void AddMarks(std::vector<TableMark> marks);
  // Raises the table's next number.
  void AddNumbers(TableId table, SequenceNumber next);

  // --- What happened ---

  std::vector<size_t> GroupSizes() const;  // batches of each commit
  std::vector<std::string> Payloads(TableId table) const;
  int syncs() const;  // asked for
  int notes() const;
  int closes() const;
  int verifications() const;
  bool unsynced() const;
  std::string owner() const;  // address of the owner, empty if nobody owns it

  // --- The engine's side ---

  // A fault that one commit meets. Guarded by the region's mutex.
  struct Fault {
    Fate fate = Fate::kHold;
    bool is_held = false;
    bool goes_on = false;
    std::optional<bool> is_stored;  // once it is resolved
    bool given_up = false;
  };
  struct Claim {
    std::string identity;
    std::string address;
    AcquireRequest request;
    bool creates = false;
    bool by_opening = false;  // of an engine that owns what it opens
  };
  // A part of the region's changes.
  struct Part {
    MemoryChanges changes;
    size_t end = 0;  // changes of the region through the part
    bool is_durable = false;
  };

  bool exists() const;
  absl::Status Create();
  void Remove();
  void AddUser(std::weak_ptr<MemoryRegionUser> user);
  // The epoch of the new owner, which proves that it owns the region.
  absl::StatusOr<uint64_t> Acquire(const Claim& claim);
  absl::Status Release(uint64_t epoch);
  bool IsOwned(uint64_t epoch) const;
  bool IsOwnedBy(const std::string& identity) const;
  // Of another one than `identity`.
  std::string OwnerBeside(const std::string& identity) const;
  // OWNED_ELSEWHERE if another one acquired it. Changes nothing then.
  absl::Status Put(uint64_t epoch, const MemoryChanges& changes, const std::string& identity);
  absl::Status Sync(uint64_t epoch);
  Part From(size_t begin) const;
  size_t size() const;
  std::shared_ptr<Fault> Begun(size_t batches);
  void SetHeld(Fault& fault, bool is_held);
  Fault Look(const std::shared_ptr<Fault>& fault) const;
  std::function<void()> in_commit() const;
  std::function<void()> in_first_since() const;
  SequenceNumber damaged_at() const;
  bool IsEndless(TableId table) const;
  bool HasUnnoted() const;
  void Noted();
  void Synced();
  void Closed();
  void Verified();
  void AfterCrash();

 private:
  void AddBehindBack(MemoryChange change);
  void Tell(bool behind_back = false) ABSL_LOCKS_EXCLUDED(mutex_);

  const std::shared_ptr<MemoryPower> power_;

  mutable absl::Mutex mutex_;
  bool exists_ ABSL_GUARDED_BY(mutex_) = false;
  MemoryChanges changes_ ABSL_GUARDED_BY(mutex_);
  size_t synced_ ABSL_GUARDED_BY(mutex_) = 0;  // of changes_
  size_t noted_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t region_version_ ABSL_GUARDED_BY(mutex_) = 0;
  struct Owner {
    std::string identity;
    std::string address;
    uint64_t region_version = 0;  // of the region when it was taken
  };
  std::optional<Owner> owner_ ABSL_GUARDED_BY(mutex_);
  uint64_t epoch_ ABSL_GUARDED_BY(mutex_) = 0;  // rises with each owner
  std::vector<std::weak_ptr<MemoryRegionUser>> users_ ABSL_GUARDED_BY(mutex_);

  std::vector<size_t> group_sizes_ ABSL_GUARDED_BY(mutex_);
  int syncs_ ABSL_GUARDED_BY(mutex_) = 0;
  int notes_ ABSL_GUARDED_BY(mutex_) = 0;
  int closes_ ABSL_GUARDED_BY(mutex_) = 0;
  int verifications_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::pair<int, Fate>> fates_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::weak_ptr<Fault>> faults_ ABSL_GUARDED_BY(mutex_);
  size_t held_ ABSL_GUARDED_BY(mutex_) = 0;
  std::function<void()> in_commit_ ABSL_GUARDED_BY(mutex_);
  std::function<void()> in_first_since_ ABSL_GUARDED_BY(mutex_);
  SequenceNumber damaged_at_ ABSL_GUARDED_BY(mutex_) = 0;
  std::set<TableId> endless_ ABSL_GUARDED_BY(mutex_);
};

// Any thread.
class MemoryStore {
 public:
  explicit MemoryStore(uint64_t seed = 1) : power_(std::make_shared<MemoryPower>(seed)) {}

  // --- Crashes. Logs that were open stay dead. ---

  void CrashAt(uint64_t nth_change, MemoryPower::Loss loss) { power_->CrashAt(nth_change, loss); }
  void CancelCrash() { power_->CancelCrash(); }
  void Crash(MemoryPower::Loss loss) { power_->Crash(loss); }
  bool crashed() const { return !power_->is_up(); }
  uint64_t changes() const { return power_->changes(); }
  void Restart();

  // Makes the region if it is not there. It stays until it is dropped.
  std::shared_ptr<MemoryRegion> Region(RegionId region);

  // --- The engine's side ---

  absl::Status CheckUp() const;
  // Null if there is none and `make` is false. One that is made does not exist for others yet.
  std::shared_ptr<MemoryRegion> Find(RegionId region, bool make);
  std::vector<std::pair<RegionId, std::shared_ptr<MemoryRegion>>> Regions() const;
  absl::StatusOr<bool> Drop(RegionId region);
  // For engines that own what they open: one at a time.
  bool TryLock();
  void Unlock();

 private:
  const std::shared_ptr<MemoryPower> power_;
  mutable absl::Mutex mutex_;
  std::map<RegionId, std::shared_ptr<MemoryRegion>> regions_ ABSL_GUARDED_BY(mutex_);
  bool is_locked_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace walden
