// Part of RegionActor: begins operations of its log for the jobs in its mailbox.
#include <algorithm>
#include <utility>

#include "base/error.h"
#include "engine/common/table_kind.h"
#include "server/region/region_actor.h"

namespace walden {
namespace {

bool HasEntries(const AppendBatch& batch) { return batch.kind == TableKind::kEntries; }

}  // namespace

void RegionActor::TakeOffMailbox(MailboxJob* job) {
  mailbox_.PopFront();
  if (job->kind() == MailboxJob::Kind::kAppend) {
    waiting_bytes_ -= static_cast<AppendJob*>(job)->payload_bytes;
  } else {
    --waiting_others_;
    // Appends behind it did not begin to linger.
    linger_over_ = !mailbox_.empty();
  }
}

bool RegionActor::AcquiresFor(const MailboxJob& job) const {
  return NeedsOwner(job) && job.MayAcquire() && !log_->ownership().is_owner;
}

// The appends of the next group, off the mailbox. Of a log that is not owned only those that will not be
// written.
JobList RegionActor::TakeGroup(bool is_unowned) {
  JobList taken;
  if (!is_unowned && waiting_others_ == 0 && waiting_bytes_ <= options_.max_group_bytes) {
    // Without a look at each of them: threads that post wait for the lock.
    taken.Splice(mailbox_);
    waiting_bytes_ = 0;
  } else {
    uint64_t bytes = 0;
    while (!mailbox_.empty() && mailbox_.front()->kind() == MailboxJob::Kind::kAppend) {
      auto* const append = static_cast<AppendJob*>(mailbox_.front());
      bytes += append->payload_bytes;
      if (!taken.empty() && bytes > options_.max_group_bytes) break;
      if (is_unowned && append->Abandoned().ok()) break;
      TakeOffMailbox(append);
      taken.PushBack(append);
    }
  }
  // Appends that did not fit the group have waited long enough.
  linger_over_ = !mailbox_.empty();
  return taken;
}

void RegionActor::BeginNext() {
  MailboxJob* job = nullptr;
  JobList appends;
  bool acquires = false;
  std::optional<uint64_t> version;
  absl::Status abandoned;
  {
    absl::MutexLock lock(&mutex_);
    ++under_way_;
    const bool is_unowned = !mailbox_.empty() && AcquiresFor(*mailbox_.front());
    if (is_unowned) abandoned = mailbox_.front()->Abandoned();
    if (is_unowned && abandoned.ok()) {
      acquires = acquiring_ = true;
      version = RegionVersionOf(*mailbox_.front());
    } else if (!mailbox_.empty() && mailbox_.front()->kind() != MailboxJob::Kind::kAppend) {
      job = mailbox_.front();
      TakeOffMailbox(job);
    } else if (!mailbox_.empty()) {
      ++commits_under_way_;
      appends = TakeGroup(is_unowned);
    }
  }
  if (acquires) {
    BeginAcquiring(version);
  } else if (job != nullptr && !abandoned.ok()) {
    job->AnswerRefused(abandoned);
    Finished(0);
  } else if (job != nullptr) {
    Begin(job);
  } else if (!appends.empty()) {
    BeginGroup(appends);
  } else {
    BeginClosing();
  }
}

// Takes the log over for the jobs that come next.
void RegionActor::BeginAcquiring(std::optional<uint64_t> region_version) {
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

// The pages of entry logs follow only what is appended here, so they are dropped whenever the log
// changes its owner.
void RegionActor::NoteAcquired() {
  if (is_owner_.exchange(true)) return;
  entries_.Forget();
  environment_.host->OnAcquired(options_.key);
  NoteLost();  // if that was told before
}

void RegionActor::NoteLost() {
  const Ownership ownership = log_->ownership();
  if (ownership.is_owner || !is_owner_.exchange(false)) return;
  entries_.Forget();
  environment_.host->OnLost(options_.key, ownership.owner);
}

void RegionActor::OnLogChanged() {
  NoteLost();
  tail_waiters_.PublishAll();
}

void RegionActor::BeginGroup(JobList& appends) {
  constexpr size_t kUsualAppends = 64;
  const auto group = std::make_shared<Group>();
  group->jobs.reserve(kUsualAppends);
  group->batches.reserve(kUsualAppends);
  while (!appends.empty()) {
    auto* const job = static_cast<AppendJob*>(appends.PopFront());
    group->jobs.push_back(job);
    if (Admit(job)) group->batches.push_back(&job->batch);
  }
  if (group->batches.empty()) {
    AnswerGroup(*group);
    Finished(/*commits=*/1);
    return;
  }
  group->began = environment_.clock->Now();
  log_->Commit(group->batches, [self = shared_from_this(), group] {
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
                       if (!job->result.ok()) {
                         job->result = self->Outcome(may_be_done, job->result.status());
                       }
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
  log_->Acquire(job->request, [self = shared_from_this(), job](const absl::Status& status) {
    if (status.ok()) self->NoteAcquired();
    job->result = status;
    job->Answer();
    self->Finished(0);
  });
}

void RegionActor::BeginRelease(ReleaseJob* job) {
  log_->Release([self = shared_from_this(), job](const absl::Status& status) {
    if (status.ok() && self->is_owner_.exchange(false)) self->entries_.Forget();
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

}  // namespace walden
