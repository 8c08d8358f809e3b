#include "server/reader_budget.h"

#include <algorithm>

namespace walden {

bool ReaderBudget::TryAcquire(uint64_t bytes) {
  absl::MutexLock lock(&mutex_);
  if (!waiting_.empty() || !Fits(bytes)) return false;
  used_ += bytes;
  return true;
}

bool ReaderBudget::AcquireOrWait(uint64_t bytes, BudgetWaiter* waiter) {
  absl::MutexLock lock(&mutex_);
  if (waiting_.empty() && Fits(bytes)) {
    used_ += bytes;
    return true;
  }
  waiting_.push_back({waiter, bytes, clock_->Now()});
  return false;
}

bool ReaderBudget::Cancel(BudgetWaiter* waiter) {
  absl::MutexLock lock(&mutex_);
  const auto position = std::find_if(waiting_.begin(), waiting_.end(),
                                     [waiter](const Waiting& w) { return w.waiter == waiter; });
  if (position == waiting_.end()) return false;
  waiting_.erase(position);
  return true;
}

void ReaderBudget::AcquireMore(uint64_t bytes) {
  absl::MutexLock lock(&mutex_);
  used_ += bytes;
}

void ReaderBudget::Release(uint64_t bytes) {
  absl::MutexLock lock(&mutex_);
  used_ -= bytes;
  while (!waiting_.empty() && Fits(waiting_.front().bytes)) {
    const Waiting granted = waiting_.front();
    waiting_.pop_front();
    used_ += granted.bytes;
    granted.waiter->OnBudget(true);
  }
}

void ReaderBudget::RefuseOverdue() {
  absl::MutexLock lock(&mutex_);
  if (waiting_.empty()) return;
  const absl::Duration now = clock_->Now();
  while (!waiting_.empty() && now - waiting_.front().since > longest_wait_) {
    BudgetWaiter* const refused = waiting_.front().waiter;
    waiting_.pop_front();
    refused->OnBudget(false);
  }
}

uint64_t ReaderBudget::used() const {
  absl::MutexLock lock(&mutex_);
  return used_;
}

}  // namespace walden
