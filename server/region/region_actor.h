// The only writer of an open region: takes jobs from a mailbox and begins their operations on the
// log, one thread at a time.
//
// Consecutive appends that wait become one RegionLog::Commit, which is one write and one sync. While
// commits are under way the next jobs gather in the mailbox, so groups grow with the load, without a
// timer. The log says how many commits may be under way (CommitPolicy): then the next group is
// encoded and written while the last one is being synced.
//
// A thread that runs the actor begins operations and lends itself to the log (RegionLog::Work). Most
// of the time that is one thread. A second one joins while the first waits for the disk, if what
// waits is worth a commit of its own.
//
// Beginning operations is in region_actor_begin.cc, answering in region_actor_outcomes.cc, the rest in
// region_actor.cc.
//
// A log that is not owned is acquired when the first job comes that changes it. If that fails, the
// jobs that asked with the same region version get the error, and the next one tries again.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/executor.h"
#include "engine/entry/region_entry_tables.h"
#include "engine/log_engine.h"
#include "engine/types.h"
#include "server/region/leading_turn.h"
#include "server/region/mailbox_job.h"
#include "server/region/region_key.h"
#include "server/region/tail_waiters.h"
#include "server/statistics/statistics.h"

namespace walden {

// Callbacks of an actor to its owner. Called on the thread of its turn; must not block.
class ActorHost {
 public:
  virtual ~ActorHost() = default;
  // BUFFERED records were written: PostTimedSync should be called after the region's interval.
  // Not called again before that.
  virtual void OnUnsynced(std::shared_ptr<RegionActor> actor) = 0;
  // The log has something to note (RegionLog::HasUnnoted): PostNoteDurable should be called once
  // the region is idle. Not called again before that.
  virtual void OnUnnoted(std::shared_ptr<RegionActor> /*actor*/) {}
  // The region takes no appends any more. Called once.
  virtual void OnFailed(const RegionKey& key, const absl::Status& why) = 0;
  // RegionActor::EndLinger should be called after this time. Not called again before that.
  virtual void OnLingering(std::shared_ptr<RegionActor> /*actor*/, absl::Duration /*time*/) {}
  // The log was acquired, or was lost to `owner`.
  virtual void OnAcquired(const RegionKey& /*key*/) {}
  virtual void OnLost(const RegionKey& /*key*/, const std::string& /*owner*/) {}
};

struct ActorOptions {
  RegionKey key;
  absl::Duration buffered_sync_interval = absl::Milliseconds(10);
  // Payload bytes after which a group is closed.
  uint64_t max_group_bytes = uint64_t{4} << 20;
};

// Shared by all actors; outlives them.
struct ActorEnvironment {
  Executor* executor = nullptr;
  ActorHost* host = nullptr;
  Statistics* statistics = nullptr;
  LeaderSlots* leaders = nullptr;
  entry::EntryEnvironment entries;  // for regions with entry logs
  const Clock* clock = Clock::Real();
};

// Any thread may use it. Must be held by a shared_ptr, by the caller of Post too.
class RegionActor : public std::enable_shared_from_this<RegionActor> {
 public:
  RegionActor(const ActorOptions& options, std::unique_ptr<RegionLog> log,
              const ActorEnvironment& environment);

  // Takes the job. Jobs take effect in the order in which they came. Returns false and leaves the job
  // untouched if the actor is closing. Never blocks. If a thread is needed to run the actor, `lead`
  // is granted the turn if it is given and a leader slot is free; otherwise the executor gets it.
  bool Post(MailboxJob* job, LeadingTurn* lead = nullptr) ABSL_LOCKS_EXCLUDED(mutex_);

  // Answers the waiting jobs, closes the log, wakes every reader, then calls `closed` on any
  // thread. Called at most once.
  void Close(std::function<void(const absl::Status&)> closed);

  // Posts a sync if there is something to make durable.
  void PostTimedSync();

  // Posts RegionLog::NoteDurable if there is something to note.
  void PostNoteDurable();

  // The time that the log wants appends to wait for others is over.
  void EndLinger() ABSL_LOCKS_EXCLUDED(mutex_);

  // The log said so (OpenRequest::on_change).
  void OnLogChanged();

  // Increases with every job and group that the actor processes.
  uint64_t activity() const { return activity_.load(std::memory_order_relaxed); }

  const ActorOptions& options() const { return options_; }
  // Only what RegionLog allows to any thread. Usable after the actor closed.
  const RegionLog& log() const { return *log_; }
  TailWaiters& tail_waiters() { return tail_waiters_; }
  entry::RegionEntryTables& entries() { return entries_; }
  bool closed() const { return closed_.load(std::memory_order_acquire); }

 private:
  friend class LeadingTurn;
  // A group of appends under way.
  struct Group {
    std::vector<AppendJob*> jobs;       // in the order of the mailbox
    std::vector<AppendBatch*> batches;  // of the jobs that were not refused before
    absl::Duration began;
  };

  // --- Threads ---
  void PostRun();
  void Run(int max_steps) ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether something can be begun now.
  bool CanBegin() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether another thread should begin something while one waits in the log.
  bool IsWorthJoining() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Lingers() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeOffMailbox(MailboxJob* job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The end of an operation: its place is free.
  void Finished(size_t commits) ABSL_LOCKS_EXCLUDED(mutex_);

  // --- The thread that begins operations: is_beginning_ is set. ---
  void BeginNext() ABSL_LOCKS_EXCLUDED(mutex_);
  bool AcquiresFor(const MailboxJob& job) const;
  void BeginAcquiring(std::optional<uint64_t> region_version);
  void RefuseUnowned(std::optional<uint64_t> region_version, const absl::Status& status)
      ABSL_LOCKS_EXCLUDED(mutex_);
  JobList TakeGroup(bool is_unowned) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void BeginGroup(JobList& appends);
  bool Admit(AppendJob* job);
  void Begin(MailboxJob* job);
  void BeginOpenProducer(OpenProducerJob* job);
  void BeginMarkDeleted(MarkDeletedJob* job);
  void BeginFence(FenceJob* job);
  void BeginSync(SyncJob* job);
  void BeginNoteDurable(NoteDurableJob* job);
  void BeginAcquire(AcquireJob* job);
  void BeginRelease(ReleaseJob* job);
  void BeginClosing();
  absl::Status CheckMark(const MarkDeletedJob& job, const TableMark& mark);
  void ClampToEnd(std::vector<TableMark>& marks) const;
  bool TakesWrites() const;

  // --- Outcomes, in any thread. Those of commits come one at a time. ---
  void AnswerGroup(Group& group);
  void CountGroup(const Group& group, uint64_t payload_bytes);
  void AnswerMarkDeleted(MarkDeletedJob* job);
  // Before the job is answered.
  void NoteOutcome(const absl::Status& status);
  absl::Status Outcome(bool may_be_done, const absl::Status& status);
  void NoteAcquired();
  void NoteLost();
  void FinishClosing(const absl::Status& status);
  void ScheduleNote();
  void NoteError(const absl::Status& status);

  const ActorOptions options_;
  const ActorEnvironment environment_;
  const std::shared_ptr<RegionLog> log_;  // shared with tasks that load entries
  const CommitPolicy policy_;
  entry::RegionEntryTables entries_;
  TailWaiters tail_waiters_;
  std::atomic<bool> closed_{false};
  std::atomic<bool> sync_scheduled_{false};
  std::atomic<bool> note_scheduled_{false};
  std::atomic<bool> failure_told_{false};
  std::atomic<bool> is_owner_;  // as it was told
  std::atomic<uint64_t> activity_{0};

  mutable absl::Mutex mutex_;
  JobList mailbox_ ABSL_GUARDED_BY(mutex_);
  uint64_t waiting_bytes_ ABSL_GUARDED_BY(mutex_) = 0;  // payloads of appends in the mailbox
  int threads_ ABSL_GUARDED_BY(mutex_) = 0;             // that run the actor, or are about to
  bool is_beginning_ ABSL_GUARDED_BY(mutex_) = false;   // one of them begins operations
  size_t under_way_ ABSL_GUARDED_BY(mutex_) = 0;        // operations
  size_t commits_under_way_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t waiting_others_ ABSL_GUARDED_BY(mutex_) = 0;  // jobs in the mailbox that are no appends
  bool linger_begun_ ABSL_GUARDED_BY(mutex_) = false;  // its end will be told
  bool linger_over_ ABSL_GUARDED_BY(mutex_) = false;
  bool acquiring_ ABSL_GUARDED_BY(mutex_) = false;  // for the first job
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  std::function<void(const absl::Status&)> on_closed_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace walden
