#include "server/region/region_actor.h"

#include <utility>

namespace walden {
namespace {

// After this many steps a thread of the executor queues the turn again, so that other regions get the
// thread.
constexpr int kStepsPerTurn = 16;

// A sync for which no call waits. If it fails, the region has failed, and its host was told.
class TimedSync final : public SyncJob {
 public:
  void OnAnswered() override { delete this; }
};

class TimedNote final : public NoteDurableJob {
 public:
  void OnAnswered() override { delete this; }
};

}  // namespace

RegionActor::RegionActor(const ActorOptions& options, std::unique_ptr<RegionLog> log,
                         const ActorEnvironment& environment)
    : options_(options),
      environment_(environment),
      log_(std::move(log)),
      policy_(log_->commit_policy()),
      entries_(log_, environment.entries),
      is_owner_(log_->ownership().is_owner) {}

bool RegionActor::Post(MailboxJob* job, LeadingTurn* lead) {
  bool lingers = false;
  bool runs = false;
  {
    absl::MutexLock lock(&mutex_);
    if (closing_) return false;
    mailbox_.PushBack(job);
    if (job->kind() == MailboxJob::Kind::kAppend) {
      waiting_bytes_ += static_cast<AppendJob*>(job)->payload_bytes;
    } else {
      ++waiting_others_;
    }
    lingers = !linger_begun_ && Lingers();
    linger_begun_ |= lingers;
    runs = threads_ == 0 ? CanBegin() : IsWorthJoining();
    if (runs) ++threads_;
  }
  if (lingers) environment_.host->OnLingering(shared_from_this(), policy_.linger);
  if (!runs) return true;
  if (lead != nullptr && environment_.leaders->TryEnter()) {
    lead->actor_ = shared_from_this();
  } else {
    PostRun();
  }
  return true;
}

void RegionActor::Close(std::function<void(const absl::Status&)> closed) {
  {
    absl::MutexLock lock(&mutex_);
    closing_ = true;
    on_closed_ = std::move(closed);
    if (threads_ > 0) return;
    ++threads_;
  }
  PostRun();
}

void RegionActor::PostTimedSync() {
  sync_scheduled_.store(false, std::memory_order_seq_cst);
  if (!log_->HasUnsynced() || !log_->Health().ok()) return;
  auto* job = new TimedSync;
  if (!Post(job)) delete job;  // closing the log syncs it
}

void RegionActor::PostNoteDurable() {
  note_scheduled_.store(false, std::memory_order_seq_cst);
  if (!log_->HasUnnoted() || !log_->Health().ok()) return;
  auto* job = new TimedNote;
  if (!Post(job)) delete job;  // closing the log notes its end
}

// ---------------------------------------------------------------------------------------------------
// Threads

void RegionActor::PostRun() {
  environment_.executor->Post([self = shared_from_this()] { self->Run(kStepsPerTurn); });
}

void RegionActor::Run(int max_steps) {
  const std::shared_ptr<RegionActor> self = shared_from_this();  // until the log let this thread go
  for (int step = 0; step < max_steps; ++step) {
    bool begins = false;
    {
      absl::MutexLock lock(&mutex_);
      begins = !is_beginning_ && CanBegin();
      is_beginning_ |= begins;
    }
    if (begins) {
      BeginNext();
      absl::MutexLock lock(&mutex_);
      is_beginning_ = false;
    }
    const bool more = log_->Work();
    absl::MutexLock lock(&mutex_);
    if (more || (!is_beginning_ && CanBegin())) continue;
    // Threads that begin or end something from now on see that this one is gone.
    --threads_;
    return;
  }
  PostRun();
}

void RegionActor::EndLinger() {
  {
    absl::MutexLock lock(&mutex_);
    linger_begun_ = false;
    linger_over_ = !mailbox_.empty();
    if (threads_ > 0 || !CanBegin()) return;
    ++threads_;
  }
  PostRun();
}

// Whether appends wait for others to join them.
bool RegionActor::Lingers() const {
  return policy_.linger > absl::ZeroDuration() && !linger_over_ && !closing_ && !mailbox_.empty() &&
         waiting_others_ == 0 && waiting_bytes_ < options_.max_group_bytes;
}

bool RegionActor::CanBegin() const {
  if (acquiring_ || Lingers()) return false;
  if (mailbox_.empty()) return on_closed_ != nullptr && under_way_ == 0;
  if (mailbox_.front()->kind() != MailboxJob::Kind::kAppend || commits_under_way_ == 0) return true;
  return commits_under_way_ < policy_.max_under_way && waiting_bytes_ >= policy_.worthwhile_bytes;
}

// One more thread is enough: it begins a commit while the other one waits for the disk.
bool RegionActor::IsWorthJoining() const {
  return threads_ == 1 && !is_beginning_ && commits_under_way_ > 0 &&
         mailbox_.front()->kind() == MailboxJob::Kind::kAppend && CanBegin();
}

void RegionActor::Finished(size_t commits) {
  {
    absl::MutexLock lock(&mutex_);
    --under_way_;
    commits_under_way_ -= commits;
    // A thread that runs the actor looks again before it leaves.
    if (threads_ > 0 || !CanBegin()) return;
    ++threads_;
  }
  PostRun();
}

}  // namespace walden
