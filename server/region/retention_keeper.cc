#include "server/region/retention_keeper.h"

#include <memory>
#include <utility>

namespace walden {

void RetentionPolicies::Set(NamespaceId ns, Policy policy) {
  absl::MutexLock lock(&mutex_);
  policies_[ns] = std::move(policy);
}

RetentionLimits RetentionPolicies::Of(const RegionKey& key) const {
  absl::MutexLock lock(&mutex_);
  const auto policy = policies_.find(key.namespace_id);
  if (policy == policies_.end()) return {};
  const auto found = policy->second.overrides.find(key.region);
  return found == policy->second.overrides.end() ? policy->second.regions : found->second;
}

// Makes the marks of one plan, job by job. Deletes itself.
class RetentionKeeper::Round final : public MarkDeletedJob {
 public:
  Round(RetentionKeeper* keeper, std::shared_ptr<RegionActor> actor, RetentionPlan plan)
      : keeper_(keeper), actor_(std::move(actor)), plan_(std::move(plan)) {}

  // Whoever owns the log by now deletes what is due.
  bool MayAcquire() const override { return false; }

  void PostNext() {
    if (next_ == plan_.marks.size()) {
      Finish(absl::OkStatus());
      return;
    }
    marks.clear();
    for (; next_ < plan_.marks.size() && marks.size() < kMaxMarks; ++next_) {
      marks.push_back(plan_.marks[next_]);
    }
    // The region is closing. The next round after it is opened again deletes the rest.
    if (!actor_->Post(this)) Finish(absl::CancelledError("the region is being closed"));
  }

 private:
  void OnAnswered() override {
    if (result.ok()) {
      PostNext();
    } else {
      Finish(result.status());
    }
  }

  void Finish(const absl::Status& status) {
    keeper_->Finished(actor_->options().key, plan_, status);
    delete this;
  }

  RetentionKeeper* const keeper_;
  const std::shared_ptr<RegionActor> actor_;
  const RetentionPlan plan_;
  size_t next_ = 0;
};

RetentionKeeper::RetentionKeeper(const Environment& environment, absl::Duration interval)
    : environment_(environment),
      interval_micros_(ToMicros(interval)),
      next_look_(environment.clock->Now() + interval) {}

void RetentionKeeper::LookIfDue() {
  {
    const absl::Duration now = environment_.clock->Now();
    const absl::Duration interval = absl::Microseconds(interval_micros_.load());
    absl::MutexLock lock(&mutex_);
    // The interval may have become shorter.
    next_look_ = std::min(next_look_, now + interval);
    if (looking_ || now < next_look_) return;
    next_look_ = now + interval;
    looking_ = true;
  }
  environment_.background->Post([this] {
    Look();
    absl::MutexLock lock(&mutex_);
    looking_ = false;
  });
}

void RetentionKeeper::Look() {
  for (const std::shared_ptr<RegionActor>& actor : environment_.registry->OpenActors()) {
    LookAt(actor);
  }
}

void RetentionKeeper::LookAt(const std::shared_ptr<RegionActor>& actor) {
  const RegionKey& key = actor->options().key;
  const RetentionLimits limits = policies_.Of(key);
  if (limits.none() || !actor->log().Health().ok()) return;
  if (!actor->log().ownership().is_owner) return;  // whoever owns it does that
  {
    absl::MutexLock lock(&mutex_);
    if (!busy_.insert(key).second) return;
  }
  const absl::Time now = absl::FromUnixMillis(environment_.wall_clock->UnixMillis());
  absl::StatusOr<RetentionPlan> plan = actor->log().PlanRetention(limits, now);
  if (!plan.ok()) {
    Finished(key, {}, plan.status());
    return;
  }
  (new Round(this, actor, *std::move(plan)))->PostNext();
}

void RetentionKeeper::Finished(const RegionKey& key, const RetentionPlan& plan,
                               const absl::Status& status) {
  Statistics& statistics = *environment_.statistics;
  if (status.ok() && !plan.marks.empty()) {
    Statistics::Add(statistics.retention_rounds, 1);
    Statistics::Add(statistics.retention_records, plan.records);
    Statistics::Add(statistics.retention_bytes, plan.bytes);
  } else if (!status.ok() && !absl::IsCancelled(status)) {
    Statistics::Add(statistics.retention_failures, 1);
  }
  if (!plan.marks.empty() || !status.ok()) environment_.events->OnRetained(key, plan, status);
  absl::MutexLock lock(&mutex_);
  busy_.erase(key);
}

}  // namespace walden
