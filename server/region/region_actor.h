// The only writer of an open region: a mailbox whose jobs one thread at a time processes.
//
// A turn takes all jobs that wait when it begins. Consecutive appends become one RegionLog::Commit,
// which is one write and one sync. Meanwhile the next jobs gather in the mailbox, so groups grow
// with the load, without a timer.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
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

  // Takes the job, which is answered after all earlier jobs. Returns false and leaves the job
  // untouched if the actor is closing. Never blocks. If no thread processes the mailbox, `lead` is
  // granted the turn if it is given and a leader slot is free; otherwise the executor gets the
  // turn.
  bool Post(MailboxJob* job, LeadingTurn* lead = nullptr);

  // Answers the waiting jobs, closes the log, wakes every reader, then calls `closed` on any
  // thread. Called at most once.
  void Close(std::function<void(const absl::Status&)> closed);

  // Posts a sync if there is something to make durable.
  void PostTimedSync();

  // Posts RegionLog::NoteDurable if there is something to note.
  void PostNoteDurable();

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
  enum class CommitPhase { kStarted, kReturned, kDone };

  void PostRun();
  void Run(int max_groups);
  bool TakeWaiting() ABSL_LOCKS_EXCLUDED(mutex_);
  bool WorkOnTurn();
  bool CommitGroup();
  bool Admit(AppendJob* job);
  void OnCommitDone();
  void CountGroup(uint64_t payload_bytes);
  void AnswerGroup();
  void AnswerOpenProducer(OpenProducerJob* job);
  absl::Status CheckMark(const MarkDeletedJob& job, const TableMark& mark);
  void AnswerMarkDeleted(MarkDeletedJob* job);
  void AnswerFence(FenceJob* job);
  void AnswerSync(SyncJob* job);
  void NoteDurable(NoteDurableJob* job);
  void ScheduleNote();
  void CloseLog();
  void NoteError(const absl::Status& status);
  bool TakesWrites() const;
  void RefuseGroup();
  absl::Status Outcome(bool took_writes, const absl::Status& status);

  const ActorOptions options_;
  const ActorEnvironment environment_;
  const std::shared_ptr<RegionLog> log_;  // shared with tasks that load entries
  entry::RegionEntryTables entries_;
  TailWaiters tail_waiters_;
  std::atomic<bool> closed_{false};
  std::atomic<bool> sync_scheduled_{false};
  std::atomic<bool> note_scheduled_{false};
  std::atomic<uint64_t> activity_{0};

  absl::Mutex mutex_;
  JobList mailbox_ ABSL_GUARDED_BY(mutex_);
  bool running_ ABSL_GUARDED_BY(mutex_) = false;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  std::function<void(const absl::Status&)> on_closed_ ABSL_GUARDED_BY(mutex_);

  // Used by the thread that has the turn.
  JobList turn_;
  std::vector<AppendJob*> group_jobs_;
  std::vector<AppendBatch*> group_;
  absl::Duration group_began_;
  bool failure_told_ = false;
  std::atomic<CommitPhase> commit_phase_{CommitPhase::kDone};
  // Keeps the actor while a commit is under way that no thread waits for.
  std::shared_ptr<RegionActor> self_;
};

}  // namespace walden
