// Part of RegionActor: answers jobs with the outcomes of their operations.
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "server/region/region_actor.h"

namespace walden {

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

void RegionActor::AnswerGroup(Group& group) {
  for (AppendJob* job : group.jobs) {
    if (job->entry_memory.empty()) continue;
    entries_.Applied(job->batch, job->entry_memory);
    job->entry_memory.clear();
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
