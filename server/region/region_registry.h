// Owns all regions of the daemon: opens them on demand, routes jobs to their actors, remembers the
// broken ones, closes and drops them.
//
// A region is in one of these states. Calls that its state cannot serve wait, in order, for the
// next state:
//
//   closed   (no entry)     the next call opens it
//   opening                 calls wait
//   open                    jobs go to its actor, which acquires the log before it changes it, if
//                           opening is not owning (engine/log_engine.h: Ownership)
//   closing                 being closed or dropped; calls wait, and open it again afterwards
//   broken                  could not be opened: calls get that error until Close
//
// Opening, closing and dropping run on the executors, so a slow region does not delay the others.
//
// At the start every region on the disk is opened in the background, a few at a time; a region that
// a call needs is opened at once. When max_open_regions are open, the least recently used idle
// region is closed to make room.
//
// A failed region is closed and reopened automatically after a growing wait, and a broken one is
// tried again, unless the cause is damage. ReopenPolicy bounds the number of attempts.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/memory_budget.h"
#include "engine/log_engine.h"
#include "server/region/append_admission.h"
#include "server/region/mailbox_job.h"
#include "server/region/namespaces.h"
#include "server/region/region_actor.h"
#include "server/region/reopen_policy.h"
#include "server/statistics/statistics.h"

namespace walden {

// Callbacks for events of regions. Any thread; must not block, nor call the registry.
class RegionEvents {
 public:
  virtual ~RegionEvents() = default;
  virtual void OnOpened(const RegionKey&, const OpeningReport&) {}
  virtual void OnBroken(const RegionKey&, const absl::Status&) {}  // could not be opened
  virtual void OnFailed(const RegionKey&, const absl::Status&) {}  // takes no appends any more
  // A failed or broken region is tried again after `wait`: attempt 1, 2, ... of `attempts`.
  virtual void OnReopenPlanned(const RegionKey&, uint32_t /*attempt*/, uint32_t /*attempts*/,
                               absl::Duration /*wait*/) {}
  // Every attempt was used: a failed or broken region stays so until a client closes it.
  virtual void OnReopenGivenUp(const RegionKey&, uint32_t /*attempts*/) {}
  // The log can be changed here from now on, or no longer: `owner` is where another owns it, if that
  // is known. Only of engines whose logs others can open as well. A lost region is not reopened.
  virtual void OnAcquired(const RegionKey&) {}
  virtual void OnLost(const RegionKey&, const std::string& /*owner*/) {}
  virtual void OnClosed(const RegionKey&, const absl::Status&) {}
  virtual void OnDropped(const RegionKey&) {}
  // Retention deleted what the plan says, or a part of it if that failed.
  virtual void OnRetained(const RegionKey&, const RetentionPlan&, const absl::Status&) {}
  // No region of the namespace can be opened, or its regions cannot be listed.
  virtual void OnNamespaceBroken(const Namespace&, const absl::Status&) {}
};

struct RegistryOptions {
  uint32_t max_open_regions = 4096;
  uint64_t mailbox_bytes = uint64_t{64} << 20;  // of all jobs that wait for an answer
  int leader_slots = 1;                         // see LeaderSlots
  uint64_t max_group_bytes = uint64_t{4} << 20;
  int start_parallelism = 1;  // regions opened at once because the daemon started
  // How long a call waits for another region to close before TOO_MANY_REGIONS.
  absl::Duration room_wait = absl::Seconds(1);
  ReopenPolicy reopen;
};

// All outlive the registry. The executors must be idle when it is destroyed.
struct RegistryEnvironment {
  const Clock* clock = nullptr;
  Executor* actors = nullptr;  // turns of actors: they block in writes and syncs
  // For opening and dropping, which take long. It needs more threads than start_parallelism, so
  // that one is free for regions that calls wait for.
  Executor* background = nullptr;
  Statistics* statistics = nullptr;
  RegionEvents* events = nullptr;
  entry::EntryEnvironment entries;  // its loader must not be one of the above
};

// The results of opening every region at the start.
struct StartSummary {
  uint64_t regions = 0;  // that were opened
  uint64_t broken = 0;
  uint64_t not_opened = 0;  // beyond max_open_regions: each is opened when a call wants it
  uint64_t records = 0;
  uint64_t bytes = 0;
  uint64_t torn_tails = 0;
  uint64_t quarantined = 0;
};

// The progress of the start.
struct StartProgress {
  uint64_t namespaces_to_open = 0;
  uint64_t regions_to_scan = 0;  // found on the disk, and not opened yet
  StartSummary summary;          // of those that were
};

struct RegionListing {
  enum class State { kClosed, kOpen, kFailed, kBroken };
  RegionId region = 0;
  State state = State::kClosed;
  absl::Status error;
  std::shared_ptr<const RegionActor> actor;  // kOpen, kFailed; to be let go of soon
};

// The state of a region as the registry knows it, without asking its actor or engine.
struct RegionLook {
  enum class State { kOpening, kOpen, kClosing, kBroken };
  RegionKey key;
  State state = State::kOpening;
  std::shared_ptr<const RegionActor> actor;  // kOpen; not to be kept
  absl::Status broken;                       // kBroken: why it could not be opened
};

// Any thread may use it. Keys must name namespaces that exist.
class RegionRegistry : private ActorHost {
 public:
  RegionRegistry(const RegistryOptions& options, NamespaceSet namespaces,
                 const RegistryEnvironment& environment);
  // Without an earlier CloseAll this is like a crash: open logs are not closed, and waiting jobs
  // are not answered.
  ~RegionRegistry() override;

  const NamespaceSet& namespaces() const { return namespaces_; }
  const MemoryBudget& mailbox_budget() const { return admission_.mailboxes(); }

  // Routes the job to the region's actor, which answers it. An append, an OpenProducer, or a mark
  // with a region version creates an absent region; other jobs are answered as by an empty region.
  // Jobs that one thread submits to one region keep their order. AppendAdmission counts the bytes
  // of appends until they are answered, and refuses appends with MAILBOX_FULL, DISK_RESERVE or
  // TENANT_LIMIT. May answer inside this call. `lead` is as in RegionActor::Post.
  void Submit(const RegionKey& key, MailboxJob* job, LeadingTurn* lead = nullptr);

  // Finds the region's actor; null for a region that was never written. Calls `found` inside this
  // call if the region is open, otherwise later on an executor.
  using FindCallback = std::function<void(absl::StatusOr<std::shared_ptr<RegionActor>>)>;
  void Find(const RegionKey& key, FindCallback found);

  // Closes a region after the jobs in its mailbox, or forgets that it was broken. The result is
  // true if it was open. An error says that closing failed; the region is closed all the same.
  using CloseCallback = std::function<void(absl::StatusOr<bool>)>;
  void Close(const RegionKey& key, CloseCallback closed);

  // Closes and removes a region. The result is false if it did not exist.
  void Drop(const RegionKey& key, CloseCallback dropped);

  // Returns the regions that exist or are broken, by id. Blocks for a directory listing.
  absl::StatusOr<std::vector<RegionListing>> List(const Namespace& of) const;

  // Verifies a region that could not be opened; blocks for long. Returns an error if the region is
  // not broken (any more). An open region is verified through its actor's log.
  absl::Status VerifyBroken(const RegionKey& key,
                            absl::FunctionRef<bool(const VerifyProgress&)> report);

  uint64_t open_regions() const;
  uint64_t max_open_regions() const { return options_.max_open_regions; }

  // Every region that is not closed, unordered. Holds the lock for a short time only.
  std::vector<RegionLook> Regions() const;

  // The actors of regions that are open now.
  std::vector<std::shared_ptr<RegionActor>> OpenActors() const;

  // Wakes readers that wait for a region to be opened or created; the keys are region ids.
  TailWaiters& openings() { return openings_; }

  // Opens every region that exists as soon as its namespace is open. Called once, before
  // NamespaceOpened and NamespaceFailed. Calls `done` when every namespace was opened or failed,
  // and every region of the open ones was opened, is broken, or was left closed for want of room.
  void OpenAll(std::function<void(const StartSummary&)> done) ABSL_LOCKS_EXCLUDED(mutex_);
  StartProgress start_progress() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Reports that an attempt to open a late namespace has ended.
  void NamespaceOpened(const Namespace& opened) ABSL_LOCKS_EXCLUDED(mutex_);
  void NamespaceFailed(const Namespace& failed, const absl::Status& why)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // The errors of the namespaces that are not served, by id. These are not open, or their regions
  // cannot be listed.
  std::vector<std::pair<NamespaceId, absl::Status>> NamespaceFailures() const
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Refuses every later call with SHUTTING_DOWN. Answers the waiting jobs, closes every region,
  // then calls `done` with the first error of a region's closing.
  void CloseAll(std::function<void(const absl::Status&)> done);

  // Starts what is due by the clock: syncs of BUFFERED records, reopenings, and refusals of calls
  // that found no room. To be called often; does not block.
  void Tick();

  // Posts RegionLog::NoteDurable to regions that were idle for kIdleBeforeNote. To be called
  // regularly.
  void NoteIdle();
  static constexpr absl::Duration kIdleBeforeNote = absl::Milliseconds(20);

 private:
  enum class State { kOpening, kOpen, kClosing, kBroken };

  struct Entry {
    State state = State::kOpening;
    std::shared_ptr<RegionActor> actor;  // kOpen, kClosing
    absl::Status broken;                 // kBroken
    bool create = false;                 // a job that waits for the opening creates the region
    int verifying = 0;                   // kBroken: number of verifications that read its files
    bool has_slot = false;               // counts in used_slots_
    bool waits_for_slot = false;         // kOpening: is in wants_slot_
    bool closes_for_room = false;        // kClosing: another region gets its slot
    bool reopens = false;                // kClosing: is opened again although no call waits
    uint64_t last_use = 0;               // kOpen: of uses_
    absl::Duration opened_at;            // kOpen
    uint32_t failures = 0;               // attempts to reopen it that were planned, in a row
    bool reopen_planned = false;         // is in reopenings_
    uint64_t records_scanned = 0;        // kOpen: what the opening found
    uint64_t bytes_scanned = 0;
    bool had_torn_tail = false;
    bool was_quarantined = false;
    JobList waiting_jobs;
    std::vector<FindCallback> waiting_finds;
    std::vector<std::function<void()>> waiting_closes;  // Close and Drop, tried again

    bool HasWaitingCalls() const { return !waiting_jobs.empty() || !waiting_finds.empty(); }
  };
  using Entries = absl::flat_hash_map<RegionKey, std::unique_ptr<Entry>>;

  // How a call reaches its region. Exactly one member is set: the actor of an open region, the
  // error of a refused call, or the entry at which the call must wait.
  struct Route {
    std::shared_ptr<RegionActor> actor;
    absl::Status refused;
    Entry* waits_at = nullptr;
  };

  struct Due {
    RegionKey key;
    absl::Duration at;
  };
  // DueSync and DueNote do not keep the actor alive: closing it syncs and notes, too.
  struct DueSync {
    std::weak_ptr<RegionActor> actor;
    absl::Duration due;
  };
  struct Relisting {
    const Namespace* of = nullptr;
    absl::Duration at;
  };

  // A region that has something to note once it is idle.
  struct DueNote {
    std::weak_ptr<RegionActor> actor;
    uint64_t activity = 0;
    absl::Duration due;  // if nothing happens until then
  };

  // Jobs and callbacks that must be called after the lock is released.
  struct Wakeups {
    JobList jobs;
    std::vector<FindCallback> finds;
    std::vector<std::function<void()>> closes;
  };

  void OnUnsynced(std::shared_ptr<RegionActor> actor) override;
  void OnUnnoted(std::shared_ptr<RegionActor> actor) override;
  void OnFailed(const RegionKey& key, const absl::Status& why) override;
  void OnLingering(std::shared_ptr<RegionActor> actor, absl::Duration time) override;
  void OnAcquired(const RegionKey& key) override { environment_.events->OnAcquired(key); }
  void OnLost(const RegionKey& key, const std::string& owner) override {
    environment_.events->OnLost(key, owner);
  }

  // Starts to open the region if it is closed.
  Route FindRoute(const RegionKey& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PostOpen(const RegionKey& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Open(const RegionKey& key);
  void OnLogChanged(const RegionKey& key);
  void FinishOpening(const RegionKey& key, bool create,
                     absl::StatusOr<std::unique_ptr<RegionLog>> log);
  bool TakeCreate(const Namespace& ns, const RegionKey& key, Entry& entry)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool WaitsForNamespace(const RegionKey& key, const Namespace& ns);
  void CountOpened(const OpeningReport& report);
  void CountNotOpened(const absl::Status& why);
  void FinishOpen(const RegionKey& key, const std::shared_ptr<RegionActor>& actor,
                  const OpeningReport& report);
  void FinishOpenFailed(const RegionKey& key, const absl::Status& why, bool remember);
  void FinishOpenAbsent(const RegionKey& key);
  void CloseUnlessClosed(const RegionKey& key, CloseCallback closed);
  // The entry must be open. It is closing when this returns.
  void CloseOpen(const RegionKey& key, Entry& entry, CloseCallback closed)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FinishClosing(const RegionKey& key);
  void DropClosed(const RegionKey& key, const CloseCallback& dropped);
  const Namespace& NamespaceOf(const RegionKey& key) const;
  static Wakeups TakeWaiting(Entry& entry);
  // Hands them the actor or the error; a null actor means that the region does not exist.
  static void Wake(Wakeups wakeups, const absl::StatusOr<std::shared_ptr<RegionActor>>& actor);

  // Slots: max_open_regions of them. An entry that opens holds a slot or waits for one.
  bool HasFreeSlot() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return used_slots_ < options_.max_open_regions;
  }
  void OpenInSlot(const RegionKey& key, Entry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OpenOnceThereIsRoom(const RegionKey& key, Entry& entry)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ReleaseSlot(Entry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CloseIdle() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Entries::value_type* LeastRecentlyUsed() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status TooManyRegions(const RegionKey& key) const;
  void RefuseWhatFoundNoRoom() ABSL_LOCKS_EXCLUDED(mutex_);

  // Reopening.
  enum class Planned { kNot, kYes, kGivenUp };
  Planned PlanReopening(const RegionKey& key, Entry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ReportPlanned(const RegionKey& key, Planned planned, uint32_t attempt);
  void Reopen(const RegionKey& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ReopenDue() ABSL_LOCKS_EXCLUDED(mutex_);

  // The start.
  void ListRegionsOf(const Namespace& of) ABSL_LOCKS_EXCLUDED(mutex_);
  void ScanNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddToSummary(const RegionKey& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FinishScan(const RegionKey& key) ABSL_LOCKS_EXCLUDED(mutex_);
  void RelistDue() ABSL_LOCKS_EXCLUDED(mutex_);
  void ReportStarted() ABSL_LOCKS_EXCLUDED(mutex_);
  void EndLingers() ABSL_LOCKS_EXCLUDED(due_mutex_);
  void SyncDue() ABSL_LOCKS_EXCLUDED(due_mutex_);

  const RegistryOptions options_;
  const RegistryEnvironment environment_;
  AppendAdmission admission_;
  LeaderSlots leaders_;
  TailWaiters openings_;
  ActorEnvironment actor_environment_;
  // Declared before the entries, so that logs are destroyed before their engines.
  const NamespaceSet namespaces_;

  mutable absl::Mutex mutex_;
  Entries entries_ ABSL_GUARDED_BY(mutex_);
  bool shutting_down_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t used_slots_ ABSL_GUARDED_BY(mutex_) = 0;     // taken
  uint64_t uses_ ABSL_GUARDED_BY(mutex_) = 0;           // so far: a clock for last_use
  std::deque<Due> wants_slot_ ABSL_GUARDED_BY(mutex_);  // refused at that time; in its order
  uint64_t closing_for_room_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<Due> reopenings_ ABSL_GUARDED_BY(mutex_);

  // The start.
  std::function<void(const StartSummary&)> on_started_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_set<NamespaceId> undecided_ ABSL_GUARDED_BY(mutex_);  // namespaces
  std::map<NamespaceId, absl::Status> unlisted_ ABSL_GUARDED_BY(mutex_);
  std::map<NamespaceId, uint32_t> relistings_of_ ABSL_GUARDED_BY(mutex_);  // attempts
  std::vector<Relisting> relistings_ ABSL_GUARDED_BY(mutex_);
  std::deque<RegionKey> scan_queue_ ABSL_GUARDED_BY(mutex_);
  int scanning_ ABSL_GUARDED_BY(mutex_) = 0;
  StartSummary summary_ ABSL_GUARDED_BY(mutex_);

  absl::Mutex due_mutex_;
  std::vector<DueSync> due_ ABSL_GUARDED_BY(due_mutex_);
  std::vector<DueSync> lingers_ ABSL_GUARDED_BY(due_mutex_);  // due: when to begin all the same
  std::vector<DueNote> notes_ ABSL_GUARDED_BY(due_mutex_);
};

}  // namespace walden
