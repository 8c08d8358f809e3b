#include "server/region/region_actor.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/common/table_kind.h"

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

bool HasEntries(const AppendBatch& batch) { return batch.kind == TableKind::kEntries; }

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
    // Whoever begins or ends something from now on sees that this thread is gone.
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

// ---------------------------------------------------------------------------------------------------
// Beginning

void RegionActor::TakeOffMailbox(MailboxJob* job) {
  mailbox_.PopFront();
  if (job->kind() == MailboxJob::Kind::kAppend) {
    waiting_bytes_ -= static_cast<AppendJob*>(job)->payload_bytes;
  } else {
    --waiting_others_;
    // What waits behind it did not begin to linger.
    linger_over_ = !mailbox_.empty();
  }
}

bool RegionActor::AcquiresFor(const MailboxJob& job) const {
  return NeedsOwner(job) && !log_->ownership().is_owner;
}

void RegionActor::BeginNext() {
  MailboxJob* job = nullptr;
  std::unique_ptr<Group> group;
  bool acquires = false;
  std::optional<uint64_t> version;
  {
    absl::MutexLock lock(&mutex_);
    ++under_way_;
    if (!mailbox_.empty() && AcquiresFor(*mailbox_.front())) {
      acquires = acquiring_ = true;
      version = RegionVersionOf(*mailbox_.front());
    } else if (!mailbox_.empty() && mailbox_.front()->kind() != MailboxJob::Kind::kAppend) {
      job = mailbox_.front();
      TakeOffMailbox(job);
    } else if (!mailbox_.empty()) {
      ++commits_under_way_;
      group = std::make_unique<Group>();
      uint64_t bytes = 0;
      while (!mailbox_.empty() && mailbox_.front()->kind() == MailboxJob::Kind::kAppend) {
        auto* const append = static_cast<AppendJob*>(mailbox_.front());
        bytes += append->payload_bytes;
        if (!group->jobs.empty() && bytes > options_.max_group_bytes) break;
        TakeOffMailbox(append);
        group->jobs.push_back(append);
      }
      // What did not fit the group has waited long enough.
      linger_over_ = !mailbox_.empty();
    }
  }
  if (acquires) {
    BeginAcquiring(version);
  } else if (job != nullptr) {
    Begin(job);
  } else if (group != nullptr) {
    BeginGroup(std::move(group));
  } else {
    BeginClosing();
  }
}

// Takes the log over for the jobs that come next.
void RegionActor::BeginAcquiring(std::optional<uint64_t> region_version) {
  entries_.Forget();
  log_->Acquire({.region_version = region_version},
                [self = shared_from_this(), region_version](const absl::Status& status) {
                  if (status.ok()) {
                    self->NoteAcquired();
                  } else {
                    self->RefuseUnowned(region_version, status);
                  }
                  {
                    absl::MutexLock lock(&self->mutex_);
                    self->acquiring_ = false;
                  }
                  self->Finished(0);
                });
}

void RegionActor::RefuseUnowned(std::optional<uint64_t> region_version,
                                const absl::Status& status) {
  std::vector<MailboxJob*> refused;
  {
    absl::MutexLock lock(&mutex_);
    while (!mailbox_.empty() && NeedsOwner(*mailbox_.front()) &&
           RegionVersionOf(*mailbox_.front()) == region_version) {
      refused.push_back(mailbox_.front());
      TakeOffMailbox(refused.back());
    }
  }
  uint64_t appends = 0;
  for (MailboxJob* job : refused) {
    if (job->kind() == MailboxJob::Kind::kAppend) ++appends;
    job->AnswerRefused(status);
  }
  Statistics::Add(environment_.statistics->refused_batches, appends);
}

void RegionActor::NoteAcquired() {
  if (is_owner_.exchange(true)) return;
  environment_.host->OnAcquired(options_.key);
}

void RegionActor::OnLogChanged() {
  const Ownership ownership = log_->ownership();
  if (!ownership.is_owner && is_owner_.exchange(false)) {
    environment_.host->OnLost(options_.key, ownership.owner);
  }
  tail_waiters_.PublishAll();
}

void RegionActor::BeginGroup(std::unique_ptr<Group> group) {
  for (AppendJob* job : group->jobs) {
    if (Admit(job)) group->batches.push_back(&job->batch);
  }
  if (group->batches.empty()) {
    AnswerGroup(*group);
    Finished(/*commits=*/1);
    return;
  }
  group->began = environment_.clock->Now();
  std::shared_ptr<Group> shared = std::move(group);
  const absl::Span<AppendBatch* const> batches = shared->batches;
  log_->Commit(batches, [self = shared_from_this(), group = std::move(shared)] {
    self->AnswerGroup(*group);
    self->Finished(/*commits=*/1);
  });
}

// Returns false if the job was answered without the log.
bool RegionActor::Admit(AppendJob* job) {
  job->batch.ClearResult();
  job->entry_memory.clear();
  absl::Status& status = job->batch.result.status;
  status = job->Abandoned();
  if (status.ok() && HasEntries(job->batch)) {
    status = entries_.Admit(job->batch, job->entry_memory);
  }
  return status.ok();
}

void RegionActor::Begin(MailboxJob* job) {
  switch (job->kind()) {
    case MailboxJob::Kind::kAppend:
      break;  // is in a group
    case MailboxJob::Kind::kOpenProducer:
      BeginOpenProducer(static_cast<OpenProducerJob*>(job));
      break;
    case MailboxJob::Kind::kMarkDeleted:
      BeginMarkDeleted(static_cast<MarkDeletedJob*>(job));
      break;
    case MailboxJob::Kind::kFence:
      BeginFence(static_cast<FenceJob*>(job));
      break;
    case MailboxJob::Kind::kSync:
      BeginSync(static_cast<SyncJob*>(job));
      break;
    case MailboxJob::Kind::kNoteDurable:
      BeginNoteDurable(static_cast<NoteDurableJob*>(job));
      break;
    case MailboxJob::Kind::kAcquire:
      BeginAcquire(static_cast<AcquireJob*>(job));
      break;
    case MailboxJob::Kind::kRelease:
      BeginRelease(static_cast<ReleaseJob*>(job));
      break;
  }
}

bool RegionActor::TakesWrites() const {
  return !HasReason(log_->Health(), ErrorReason::kRegionFailed);
}

void RegionActor::BeginOpenProducer(OpenProducerJob* job) {
  log_->OpenProducer(job->region_version,
                     [self = shared_from_this(), job, may_be_done = TakesWrites()](auto result) {
                       job->result = std::move(result);
                       if (!job->result.ok())
                         job->result = self->Outcome(may_be_done, job->result.status());
                       self->NoteOutcome(job->result.status());
                       job->Answer();
                       self->Finished(0);
                     });
}

absl::Status RegionActor::CheckMark(const MarkDeletedJob& job, const TableMark& mark) {
  const bool finalize = job.table_kind == TableKind::kEntries;
  const TablePosition position = log_->Position(mark.table);
  absl::Status allowed = CheckTableKind(mark.table, position.kind, job.table_kind);
  // A damaged entry log has no flush to finalize. A mark then acknowledges the lost entries.
  if (!allowed.ok() && !finalize && position.damaged) allowed = absl::OkStatus();
  if (allowed.ok() && finalize) allowed = entries_.CheckFinalize(mark.table, mark.through);
  return allowed;
}

// A mark takes effect behind appends that are under way. They were not answered, so it is not meant
// for them, and a table's kind was checked without them.
void RegionActor::ClampToEnd(std::vector<TableMark>& marks) const {
  for (TableMark& mark : marks) {
    mark.through = std::min(mark.through, log_->Position(mark.table).next - 1);
  }
}

void RegionActor::BeginMarkDeleted(MarkDeletedJob* job) {
  job->positions.clear();
  absl::Status allowed;
  for (const TableMark& mark : job->marks) {
    if (allowed.ok()) allowed = CheckMark(*job, mark);
  }
  if (!allowed.ok()) {
    job->result = allowed;
    AnswerMarkDeleted(job);
    return;
  }
  std::vector<TableMark> marks = job->marks;
  ClampToEnd(marks);
  log_->MarkDeleted(std::move(marks), job->region_version,
                    [self = shared_from_this(), job, may_be_done = TakesWrites()](auto result) {
                      job->result = std::move(result);
                      if (!job->result.ok()) {
                        job->result = self->Outcome(may_be_done, job->result.status());
                      }
                      self->AnswerMarkDeleted(job);
                    });
}

void RegionActor::AnswerMarkDeleted(MarkDeletedJob* job) {
  for (size_t i = 0; job->result.ok() && i < job->marks.size(); ++i) {
    const TableId table = job->marks[i].table;
    job->positions.push_back(log_->Position(table));
    if (job->positions.back().kind == TableKind::kEntries) {
      entries_.Finalized(table, (*job->result)[i]);
    }
  }
  NoteOutcome(job->result.status());
  job->Answer();
  Finished(0);
}

// Without marks only the version counts.
void RegionActor::BeginFence(FenceJob* job) {
  log_->MarkDeleted({}, job->region_version,
                    [self = shared_from_this(), job, may_be_done = TakesWrites()](
                        const absl::StatusOr<std::vector<SequenceNumber>>& result) {
                      job->result = self->Outcome(may_be_done, result.status());
                      self->NoteOutcome(job->result);
                      job->Answer();
                      self->Finished(0);
                    });
}

void RegionActor::BeginSync(SyncJob* job) {
  log_->Sync(
      [self = shared_from_this(), job, may_be_done = TakesWrites()](const absl::Status& status) {
        job->result = self->Outcome(may_be_done, status);
        if (status.ok()) Statistics::Add(self->environment_.statistics->syncs, 1);
        self->NoteOutcome(job->result);
        job->Answer();
        self->Finished(0);
      });
}

void RegionActor::BeginNoteDurable(NoteDurableJob* job) {
  log_->NoteDurable([self = shared_from_this(), job](const absl::Status& status) {
    // If the disk has no room for the note, the log stays as safe as it was.
    if (!absl::IsResourceExhausted(status)) self->NoteError(status);
    job->Answer();
    self->Finished(0);
  });
}

void RegionActor::BeginAcquire(AcquireJob* job) {
  if (!log_->ownership().is_owner) entries_.Forget();
  log_->Acquire(job->request, [self = shared_from_this(), job](const absl::Status& status) {
    if (status.ok()) self->NoteAcquired();
    job->result = status;
    job->Answer();
    self->Finished(0);
  });
}

void RegionActor::BeginRelease(ReleaseJob* job) {
  log_->Release([self = shared_from_this(), job](const absl::Status& status) {
    if (status.ok()) self->is_owner_.store(false);
    job->result = status;
    job->Answer();
    self->Finished(0);
  });
}

void RegionActor::BeginClosing() {
  entries_.Abandon();
  log_->Close(
      [self = shared_from_this()](const absl::Status& status) { self->FinishClosing(status); });
}

// ---------------------------------------------------------------------------------------------------
// Outcomes

namespace {

absl::Status OutcomeUnknown(const absl::Status& why) {
  return MakeError(absl::StatusCode::kUnavailable, ErrorReason::kWriteFailed,
                   absl::StrCat("whether this is stored is not known: ", why.message()));
}

}  // namespace

// The error of a write that was tried, and may be stored or not, differs from that of a write that was
// refused because the region had failed before.
absl::Status RegionActor::Outcome(bool may_be_done, const absl::Status& status) {
  if (!HasReason(status, ErrorReason::kRegionFailed)) return status;
  NoteError(status);
  return may_be_done ? OutcomeUnknown(status) : status;
}

void RegionActor::NoteOutcome(const absl::Status& status) {
  NoteError(status);
  ScheduleNote();
}

void RegionActor::AnswerGroup(const Group& group) {
  for (const AppendJob* job : group.jobs) {
    if (HasEntries(job->batch)) entries_.Applied(job->batch, job->entry_memory);
  }
  tail_waiters_.Publish(group.batches);
  Statistics& statistics = *environment_.statistics;
  uint64_t batches = 0;
  uint64_t records = 0;
  uint64_t bytes = 0;
  uint64_t retries = 0;
  bool synced = false;
  bool unsynced = false;
  for (AppendBatch* batch : group.batches) {
    AppendResult& result = batch->result;
    if (result.may_be_stored && HasReason(result.status, ErrorReason::kOwnedElsewhere)) {
      result.status = OutcomeUnknown(result.status);
    }
    result.status = Outcome(result.may_be_stored, result.status);
  }
  for (const AppendJob* job : group.jobs) {
    const AppendResult& result = job->batch.result;
    if (!result.status.ok()) continue;
    ++batches;
    records += job->batch.records();
    bytes += job->payload_bytes;
    retries += result.duplicate;
    synced |= job->batch.durability == Durability::kSync && !result.duplicate;
    unsynced |= !result.durable;
  }
  if (!group.batches.empty()) CountGroup(group, bytes);
  Statistics::Add(statistics.appended_batches, batches);
  Statistics::Add(statistics.appended_records, records);
  Statistics::Add(statistics.appended_payload_bytes, bytes);
  Statistics::Add(statistics.refused_batches, group.jobs.size() - batches);
  if (retries > 0) Statistics::Add(statistics.retried_batches, retries);
  if (synced) Statistics::Add(statistics.syncs, 1);
  if (unsynced && !sync_scheduled_.exchange(true, std::memory_order_seq_cst)) {
    environment_.host->OnUnsynced(shared_from_this());
  }
  ScheduleNote();
  for (AppendJob* job : group.jobs) job->Answer();
}

void RegionActor::CountGroup(const Group& group, uint64_t payload_bytes) {
  Statistics& statistics = *environment_.statistics;
  Statistics::Add(statistics.commits, 1);
  statistics.commit_batches.Observe(group.batches.size());
  statistics.commit_payload_bytes.Observe(payload_bytes);
  const absl::Duration took = environment_.clock->Now() - group.began;
  statistics.commit_nanos.Observe(static_cast<uint64_t>(absl::ToInt64Nanoseconds(took)));
}

void RegionActor::ScheduleNote() {
  activity_.fetch_add(1, std::memory_order_relaxed);
  if (!log_->HasUnnoted() || note_scheduled_.exchange(true, std::memory_order_seq_cst)) return;
  environment_.host->OnUnnoted(shared_from_this());
}

void RegionActor::NoteError(const absl::Status& status) {
  if (status.ok() || log_->Health().ok() || failure_told_.exchange(true)) return;
  environment_.host->OnFailed(options_.key, status);
}

void RegionActor::FinishClosing(const absl::Status& status) {
  closed_.store(true, std::memory_order_release);
  tail_waiters_.PublishAll();
  std::function<void(const absl::Status&)> on_closed;
  {
    absl::MutexLock lock(&mutex_);
    on_closed = std::move(on_closed_);
    on_closed_ = nullptr;
    --under_way_;
  }
  on_closed(status);
}

}  // namespace walden
