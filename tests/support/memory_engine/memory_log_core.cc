#include "tests/support/memory_engine/memory_log_core.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/log_errors.h"

namespace walden {

using Fate = MemoryRegion::Fate;

MemoryLogCore::MemoryLogCore(MemoryLog::Environment environment)
    : environment_(std::move(environment)),
      view_(std::make_shared<MemoryView>(environment_.region)) {
  absl::MutexLock lock(&mutex_);
  writing_.sync_every = environment_.options.buffered_sync_every_writes;
  writing_.wall_clock = environment_.wall_clock;
}

absl::Status MemoryLogCore::Open() {
  region().AddUser(weak_from_this());
  if (environment_.owns_by_opening) return Acquire({});
  view_->CatchUp();
  return absl::OkStatus();
}

void MemoryLogCore::Detach() {
  std::deque<std::unique_ptr<MemoryOperation>> left;
  absl::MutexLock lock(&mutex_);
  is_detached_ = true;
  const auto nobody_calls = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return telling_ == 0 && (!is_stepping_ || stepper_ == std::this_thread::get_id());
  };
  mutex_.Await(absl::Condition(&nobody_calls));
  left.swap(operations_);
}

// ---------------------------------------------------------------------------------------------------
// Steps

void MemoryLogCore::Begin(std::unique_ptr<MemoryOperation> operation) {
  const auto self = shared_from_this();
  {
    absl::MutexLock lock(&mutex_);
    if (operation->is_barrier() || not_judged_ > 0) {
      ++not_judged_;
    } else {
      Judge(*operation);
    }
    operations_.push_back(std::move(operation));
  }
  if (environment_.executor != nullptr || !environment_.in_lent_threads) PostStep(Steps::kAsked);
}

// A commit's fault is that of the order in which commits are begun.
void MemoryLogCore::Judge(MemoryOperation& operation) {
  writing_.refusal = failed_;
  if (failed_.ok() && !is_owner_) writing_.refusal = NotOwned();
  operation.Judge(writing_);
  operation.is_judged = true;
  operation.epoch = epoch_;
}

void MemoryLogCore::PostStep(Steps steps) {
  if (environment_.executor == nullptr) {
    Step(steps);
  } else {
    environment_.executor->Post([self = shared_from_this(), steps] { self->Step(steps); });
  }
}

// Makes a step for each that was asked for. Those that were held up are left over from before.
void MemoryLogCore::Step(Steps steps) {
  const bool is_lent = environment_.executor == nullptr && environment_.in_lent_threads;
  absl::MutexLock lock(&mutex_);
  if (steps == Steps::kAsked) ++asked_steps_;
  if (is_stepping_) return;  // the other thread makes it
  is_stepping_ = true;
  stepper_ = std::this_thread::get_id();
  while (!is_detached_ && !operations_.empty() && (is_lent || asked_steps_ > 0)) {
    if (!StepOnce()) break;
    if (asked_steps_ > 0) --asked_steps_;
  }
  is_stepping_ = false;
}

bool MemoryLogCore::Work() {
  const bool is_lent = environment_.executor == nullptr && environment_.in_lent_threads;
  absl::MutexLock lock(&mutex_);
  if (!is_lent || is_stepping_ || operations_.empty()) return false;
  is_stepping_ = true;
  stepper_ = std::this_thread::get_id();
  const bool made = StepOnce();
  is_stepping_ = false;
  return made && !operations_.empty();
}

bool MemoryLogCore::StepOnce() {
  MemoryOperation* const operation = operations_.front().get();
  if (!operation->is_judged && !operation->is_barrier()) {
    Judge(*operation);
    --not_judged_;
  }
  std::optional<MemoryOperation::Outcome> outcome;
  do {
    was_changed_ = false;
    mutex_.Unlock();
    outcome = Make(*operation);
    mutex_.Lock();
  } while (!outcome && was_changed_ && !is_detached_);
  is_blocked_ = !outcome.has_value();
  if (is_blocked_ || is_detached_) return false;
  const std::unique_ptr<MemoryOperation> made = std::move(operations_.front());
  operations_.pop_front();
  if (made->is_barrier()) --not_judged_;
  mutex_.Unlock();
  made->Done(*outcome);
  mutex_.Lock();
  return true;
}

std::optional<MemoryOperation::Outcome> MemoryLogCore::Make(MemoryOperation& operation) {
  absl::Status status = StateFor(operation);
  if (status.ok() && operation.is_commit() && !std::exchange(operation.was_reached, true)) {
    const std::function<void()> in_commit = region().in_commit();
    if (in_commit) in_commit();
  }
  if (status.ok() && IsHeld(operation)) return std::nullopt;
  if (operation.fault != nullptr) region().SetHeld(*operation.fault, false);
  if (status.ok()) status = operation.refused;
  if (status.ok()) {
    status = Store(operation);
    if (status.ok() && IsHeld(operation)) return std::nullopt;
    if (status.ok()) status = operation.Run();
    if (status.ok() && IsOwner()) view_->CatchUp();
  }
  return MemoryOperation::Outcome{
      .status = status, .may_be_stored = operation.may_be_put, .is_durable = !region().unsynced()};
}

// Whether a fault keeps the operation where it is, before or behind its way into the store.
bool MemoryLogCore::IsHeld(MemoryOperation& operation) {
  if (operation.fault == nullptr) return false;
  const MemoryRegion::Fault fault = region().Look(operation.fault);
  bool is_held = false;
  if (fault.fate == Fate::kHold) is_held = !fault.goes_on && !operation.is_put;
  if (fault.fate == Fate::kAnswerLater) is_held = !fault.goes_on && operation.is_put;
  if (fault.fate == Fate::kLoseAnswer) {
    is_held = !fault.is_stored.has_value();
    operation.may_be_put = true;
  }
  region().SetHeld(*operation.fault, is_held);
  return is_held;
}

absl::Status MemoryLogCore::Store(MemoryOperation& operation) {
  std::optional<MemoryRegion::Fault> fault;
  if (operation.fault != nullptr) fault = region().Look(operation.fault);
  const auto meets = [&](Fate fate) { return fault && fault->fate == fate; };
  const bool is_lost = meets(Fate::kFail) || (meets(Fate::kLoseAnswer) && !*fault->is_stored);
  if (!operation.changes.empty() || fault) operation.may_be_put = true;
  if (is_lost) return Failed(absl::UnavailableError("a write failed"));
  if (!operation.is_put) {
    const absl::Status put =
        region().Put(operation.epoch, operation.changes, environment_.identity);
    if (HasReason(put, ErrorReason::kOwnedElsewhere)) {
      operation.may_be_put = meets(Fate::kLoseAnswer);
      OnStoreChanged();
      return put;
    }
    if (!put.ok()) return Failed(put);
    operation.is_put = true;
  }
  if (meets(Fate::kFailStored) || (fault && fault->given_up)) {
    return Failed(absl::UnavailableError("a write failed"));
  }
  if (!operation.needs_sync) return absl::OkStatus();
  if (meets(Fate::kFailSync)) return Failed(absl::UnavailableError("a sync failed"));
  const absl::Status synced = region().Sync(operation.epoch);
  return synced.ok() ? synced : Failed(synced);
}

absl::Status MemoryLogCore::StateFor(const MemoryOperation& operation) const {
  if (operation.is_for_any()) return absl::OkStatus();
  absl::MutexLock lock(&mutex_);
  if (!failed_.ok()) return failed_;
  const bool is_owner = is_owner_ && operation.epoch == epoch_ && region().IsOwned(epoch_);
  return is_owner ? absl::OkStatus() : NotOwned();
}

absl::Status MemoryLogCore::NotOwned() const {
  return OwnedElsewhere(region().OwnerBeside(environment_.identity));
}

absl::Status MemoryLogCore::Failed(const absl::Status& why) {
  absl::MutexLock lock(&mutex_);
  if (failed_.ok()) {
    failed_ = MakeError(absl::StatusCode::kFailedPrecondition, ErrorReason::kRegionFailed,
                        absl::StrCat(why.message(), "; close the region"));
  }
  return failed_;
}

// ---------------------------------------------------------------------------------------------------
// Owning and closing

absl::Status MemoryLogCore::Acquire(const AcquireRequest& request) {
  {
    absl::MutexLock lock(&mutex_);
    if (!failed_.ok()) return failed_;
    if (is_owner_ && region().IsOwned(epoch_)) return absl::OkStatus();
    is_acquiring_ = true;
  }
  const absl::StatusOr<uint64_t> epoch =
      region().Acquire({.identity = environment_.identity,
                        .address = environment_.address,
                        .request = request,
                        .creates = environment_.creates,
                        .by_opening = environment_.owns_by_opening});
  view_->CatchUp();
  {
    absl::MutexLock lock(&mutex_);
    is_acquiring_ = false;
    if (epoch.ok()) {
      is_owner_ = true;
      epoch_ = *epoch;
      writing_.state = view_->State();
      writing_.unsynced_appends = 0;
    }
  }
  OnStoreChanged();  // it may be lost already
  return epoch.status();
}

absl::Status MemoryLogCore::Release() {
  uint64_t epoch = 0;
  bool is_sound = false;
  {
    absl::MutexLock lock(&mutex_);
    if (!std::exchange(is_owner_, false)) return absl::OkStatus();
    epoch = epoch_;
    is_sound = failed_.ok();
  }
  absl::Status status = is_sound ? region().Sync(epoch) : absl::OkStatus();
  if (status.ok()) status = region().Release(epoch);
  return status.ok() ? status : Failed(status);
}

absl::Status MemoryLogCore::Close() {
  uint64_t epoch = 0;
  bool syncs = false;
  {
    absl::MutexLock lock(&mutex_);
    epoch = epoch_;
    syncs = failed_.ok() && is_owner_;
  }
  const absl::Status status = syncs ? region().Sync(epoch) : absl::OkStatus();
  region().Closed();
  return status;
}

absl::Status MemoryLogCore::Health() const {
  absl::MutexLock lock(&mutex_);
  return failed_;
}

bool MemoryLogCore::IsOwner() const {
  absl::MutexLock lock(&mutex_);
  return is_owner_ && region().IsOwned(epoch_);
}

void MemoryLogCore::OnStoreChanged() {
  bool is_owner = false;
  bool was_lost = false;
  {
    absl::MutexLock lock(&mutex_);
    if (is_detached_) return;
    was_changed_ = true;
    was_lost = is_owner_ && !region().IsOwned(epoch_);
    if (was_lost) is_owner_ = false;
    is_owner = is_owner_ || is_acquiring_;
    ++telling_;
  }
  const bool has_more = !is_owner && view_->CatchUp();
  if ((was_lost || has_more) && environment_.on_change) environment_.on_change();
  bool goes_on = false;
  {
    absl::MutexLock lock(&mutex_);
    --telling_;
    goes_on = std::exchange(is_blocked_, false) && !is_stepping_;
  }
  if (goes_on) PostStep(Steps::kLeft);
}

void MemoryLogCore::OnChangedBehindBack() {
  view_->CatchUp();
  absl::MutexLock lock(&mutex_);
  if (is_owner_) writing_.state = view_->State();
}

}  // namespace walden
