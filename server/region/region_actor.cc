#include "server/region/region_actor.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/common/table_kind.h"

namespace walden {
namespace {

// After this many commits a thread of the executor queues the turn again, so that other regions get
// the thread.
constexpr int kGroupsPerTurn = 16;

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
      entries_(log_, environment.entries) {}

bool RegionActor::Post(MailboxJob* job, LeadingTurn* lead) {
  {
    absl::MutexLock lock(&mutex_);
    if (closing_) return false;
    mailbox_.PushBack(job);
    if (running_) return true;
    running_ = true;
  }
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
    if (running_) return;
    running_ = true;
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

void RegionActor::PostRun() {
  environment_.executor->Post([self = shared_from_this()] { self->Run(kGroupsPerTurn); });
}

void RegionActor::Run(int max_groups) {
  for (int groups = 0; TakeWaiting(); ++groups) {
    if (groups == max_groups) {
      PostRun();
      return;
    }
    if (!WorkOnTurn()) return;
  }
}

// Returns false if there is nothing to do. Another thread may then have begun the next turn
// already.
bool RegionActor::TakeWaiting() {
  if (!turn_.empty()) return true;
  {
    absl::MutexLock lock(&mutex_);
    turn_.Splice(mailbox_);
    if (!turn_.empty()) return true;
    if (on_closed_ == nullptr) {
      // No job is posted after closing, so no other thread can begin a turn.
      running_ = false;
      return false;
    }
  }
  CloseLog();
  return false;
}

// Returns false if the turn continues on another thread, after its commit.
bool RegionActor::WorkOnTurn() {
  switch (turn_.front()->kind()) {
    case MailboxJob::Kind::kAppend:
      return CommitGroup();
    case MailboxJob::Kind::kOpenProducer:
      AnswerOpenProducer(static_cast<OpenProducerJob*>(turn_.PopFront()));
      return true;
    case MailboxJob::Kind::kMarkDeleted:
      AnswerMarkDeleted(static_cast<MarkDeletedJob*>(turn_.PopFront()));
      return true;
    case MailboxJob::Kind::kFence:
      AnswerFence(static_cast<FenceJob*>(turn_.PopFront()));
      return true;
    case MailboxJob::Kind::kSync:
      AnswerSync(static_cast<SyncJob*>(turn_.PopFront()));
      return true;
    case MailboxJob::Kind::kNoteDurable:
      NoteDurable(static_cast<NoteDurableJob*>(turn_.PopFront()));
      return true;
  }
  return true;
}

bool RegionActor::CommitGroup() {
  uint64_t bytes = 0;
  while (!turn_.empty() && turn_.front()->kind() == MailboxJob::Kind::kAppend) {
    auto* job = static_cast<AppendJob*>(turn_.front());
    if (!group_.empty() && bytes + job->payload_bytes > options_.max_group_bytes) break;
    bytes += job->payload_bytes;
    turn_.PopFront();
    group_jobs_.push_back(job);
    if (Admit(job)) group_.push_back(&job->batch);
  }
  if (!TakesWrites()) RefuseGroup();
  if (group_.empty()) {
    AnswerGroup();
    return true;
  }
  group_began_ = environment_.clock->Now();
  commit_phase_.store(CommitPhase::kStarted, std::memory_order_relaxed);
  log_->Commit(group_, [this] { OnCommitDone(); });
  if (commit_phase_.load(std::memory_order_acquire) != CommitPhase::kDone) {
    self_ = shared_from_this();
    if (commit_phase_.exchange(CommitPhase::kReturned) != CommitPhase::kDone) return false;
    self_ = nullptr;
  }
  AnswerGroup();
  return true;
}

bool RegionActor::TakesWrites() const {
  return !HasReason(log_->Health(), ErrorReason::kRegionFailed);
}

// Without trying to write: so these batches are not stored, for certain.
void RegionActor::RefuseGroup() {
  for (AppendBatch* batch : group_) batch->result.status = log_->Health();
  group_.clear();
}

// The error of a write that was tried, and may be stored or not, differs from that of a write that was
// refused because the region had failed before.
absl::Status RegionActor::Outcome(bool took_writes, const absl::Status& status) {
  if (!HasReason(status, ErrorReason::kRegionFailed)) return status;
  NoteError(status);
  if (!took_writes) return status;
  return MakeError(absl::StatusCode::kUnavailable, ErrorReason::kWriteFailed,
                   absl::StrCat("whether this is stored is not known: ", status.message()));
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

void RegionActor::OnCommitDone() {
  if (commit_phase_.exchange(CommitPhase::kDone) == CommitPhase::kStarted) return;
  environment_.executor->Post([self = std::move(self_)] {
    self->AnswerGroup();
    self->Run(kGroupsPerTurn);
  });
}

void RegionActor::AnswerGroup() {
  for (const AppendJob* job : group_jobs_) {
    if (HasEntries(job->batch)) entries_.Applied(job->batch, job->entry_memory);
  }
  tail_waiters_.Publish(group_);
  Statistics& statistics = *environment_.statistics;
  uint64_t batches = 0;
  uint64_t records = 0;
  uint64_t bytes = 0;
  uint64_t retries = 0;
  bool synced = false;
  bool unsynced = false;
  for (AppendBatch* batch : group_) {
    batch->result.status = Outcome(/*took_writes=*/true, batch->result.status);
  }
  for (const AppendJob* job : group_jobs_) {
    const AppendResult& result = job->batch.result;
    if (!result.status.ok()) continue;
    ++batches;
    records += job->batch.records();
    bytes += job->payload_bytes;
    retries += result.duplicate;
    synced |= job->batch.durability == Durability::kSync && !result.duplicate;
    unsynced |= !result.durable;
  }
  if (!group_.empty()) CountGroup(bytes);
  Statistics::Add(statistics.appended_batches, batches);
  Statistics::Add(statistics.appended_records, records);
  Statistics::Add(statistics.appended_payload_bytes, bytes);
  Statistics::Add(statistics.refused_batches, group_jobs_.size() - batches);
  if (retries > 0) Statistics::Add(statistics.retried_batches, retries);
  if (synced) Statistics::Add(statistics.syncs, 1);
  if (unsynced && !sync_scheduled_.exchange(true, std::memory_order_seq_cst)) {
    environment_.host->OnUnsynced(shared_from_this());
  }
  ScheduleNote();
  for (AppendJob* job : group_jobs_) job->Answer();
  group_jobs_.clear();
  group_.clear();
}

void RegionActor::CountGroup(uint64_t payload_bytes) {
  Statistics& statistics = *environment_.statistics;
  Statistics::Add(statistics.commits, 1);
  statistics.commit_batches.Observe(group_.size());
  statistics.commit_payload_bytes.Observe(payload_bytes);
  const absl::Duration took = environment_.clock->Now() - group_began_;
  statistics.commit_nanos.Observe(static_cast<uint64_t>(absl::ToInt64Nanoseconds(took)));
}

void RegionActor::AnswerOpenProducer(OpenProducerJob* job) {
  const bool took_writes = TakesWrites();
  job->result = log_->OpenProducer(job->region_version);
  if (!job->result.ok()) job->result = Outcome(took_writes, job->result.status());
  NoteError(job->result.status());
  ScheduleNote();
  job->Answer();
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

void RegionActor::AnswerMarkDeleted(MarkDeletedJob* job) {
  job->positions.clear();
  absl::Status allowed;
  for (const TableMark& mark : job->marks) {
    if (allowed.ok()) allowed = CheckMark(*job, mark);
  }
  if (allowed.ok()) {
    const bool took_writes = TakesWrites();
    job->result = log_->MarkDeleted(job->marks, job->region_version);
    if (!job->result.ok()) job->result = Outcome(took_writes, job->result.status());
  } else {
    job->result = allowed;
  }
  for (size_t i = 0; job->result.ok() && i < job->marks.size(); ++i) {
    const TableId table = job->marks[i].table;
    job->positions.push_back(log_->Position(table));
    if (job->positions.back().kind == TableKind::kEntries) {
      entries_.Finalized(table, (*job->result)[i]);
    }
  }
  NoteError(job->result.status());
  ScheduleNote();
  job->Answer();
}

// Without marks only the version counts.
void RegionActor::AnswerFence(FenceJob* job) {
  const bool took_writes = TakesWrites();
  job->result = Outcome(took_writes, log_->MarkDeleted({}, job->region_version).status());
  NoteError(job->result);
  ScheduleNote();
  job->Answer();
}

void RegionActor::AnswerSync(SyncJob* job) {
  const bool took_writes = TakesWrites();
  job->result = Outcome(took_writes, log_->Sync());
  if (job->result.ok()) Statistics::Add(environment_.statistics->syncs, 1);
  NoteError(job->result);
  ScheduleNote();
  job->Answer();
}

void RegionActor::NoteDurable(NoteDurableJob* job) {
  // If the disk has no room for the note, the log stays as safe as it was.
  const absl::Status status = log_->NoteDurable();
  if (!absl::IsResourceExhausted(status)) NoteError(status);
  job->Answer();
}

void RegionActor::ScheduleNote() {
  activity_.store(activity_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  if (!log_->HasUnnoted() || note_scheduled_.exchange(true, std::memory_order_seq_cst)) return;
  environment_.host->OnUnnoted(shared_from_this());
}

void RegionActor::NoteError(const absl::Status& status) {
  if (status.ok() || failure_told_ || log_->Health().ok()) return;
  failure_told_ = true;
  environment_.host->OnFailed(options_.key, status);
}

void RegionActor::CloseLog() {
  entries_.Abandon();
  const absl::Status status = log_->Close();
  closed_.store(true, std::memory_order_release);
  tail_waiters_.PublishAll();
  std::function<void(const absl::Status&)> on_closed;
  {
    absl::MutexLock lock(&mutex_);
    on_closed = std::move(on_closed_);
    on_closed_ = nullptr;
  }
  on_closed(status);
}

}  // namespace walden
