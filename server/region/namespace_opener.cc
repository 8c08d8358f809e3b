#include "server/region/namespace_opener.h"

#include <utility>

namespace walden {

void NamespaceOpener::Start(std::function<void()> decided) {
  std::vector<const Namespace*> late;
  for (const Namespace* ns : environment_.registry->namespaces().All()) {
    if (ns->late != nullptr) late.push_back(ns);
  }
  if (late.empty()) {
    decided();
    return;
  }
  {
    absl::MutexLock lock(&mutex_);
    undecided_ = late.size();
    decided_ = std::move(decided);
  }
  for (const Namespace* ns : late) {
    environment_.executor->Post([this, ns] { Attempt(*ns); });
  }
}

void NamespaceOpener::Tick() {
  std::vector<const Namespace*> due;
  {
    absl::MutexLock lock(&mutex_);
    if (retries_.empty() || stopped_) return;
    const absl::Duration now = environment_.clock->Now();
    std::erase_if(retries_, [&due, now](const Retry& retry) {
      if (retry.at <= now) due.push_back(retry.of);
      return retry.at <= now;
    });
  }
  for (const Namespace* ns : due) {
    environment_.executor->Post([this, ns] { Attempt(*ns); });
  }
}

void NamespaceOpener::Stop() {
  absl::MutexLock lock(&mutex_);
  stopped_ = true;
}

void NamespaceOpener::Attempt(const Namespace& of) {
  {
    absl::MutexLock lock(&mutex_);
    if (stopped_) return;
  }
  absl::StatusOr<std::unique_ptr<LogEngine>> engine = of.open();
  const bool was_decided = of.late->is_decided();
  if (engine.ok()) {
    of.late->SetOpen(*std::move(engine));
    environment_.registry->NamespaceOpened(of);
  } else {
    of.late->SetFailed(engine.status());
    environment_.registry->NamespaceFailed(of, engine.status());
  }
  std::function<void()> decided;
  {
    absl::MutexLock lock(&mutex_);
    if (!engine.ok() && MayPassByItself(engine.status())) PlanRetry(of);
    if (!was_decided && --undecided_ == 0) decided = std::exchange(decided_, nullptr);
  }
  if (decided) decided();
}

void NamespaceOpener::PlanRetry(const Namespace& of) {
  const absl::Duration wait = environment_.policy.WaitAfter(failures_[of.id]++);
  retries_.push_back({&of, environment_.clock->Now() + wait});
}

}  // namespace walden
