#include "server/limits/reader_budget.h"

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
  GrantWaiting();  // others that waited after it may fit now
  return true;
}

void ReaderBudget::AcquireMore(uint64_t bytes) {
  absl::MutexLock lock(&mutex_);
  used_ += bytes;
}

void ReaderBudget::Release(uint64_t bytes) {
  absl::MutexLock lock(&mutex_);
  used_ -= bytes;
  GrantWaiting();
}

void ReaderBudget::GrantWaiting() {
  while (!waiting_.empty() && Fits(waiting_.front().bytes)) {
    const Waiting granted = waiting_.front();
    waiting_.pop_front();
    used_ += granted.bytes;
    granted.waiter->OnBudget(true);
  }
}

void ReaderBudget::WriteBegan(StandingWrite* write) {
  absl::MutexLock lock(&mutex_);
  writes_[write] = clock_->Now();
}

void ReaderBudget::WriteEnded(StandingWrite* write) {
  absl::MutexLock lock(&mutex_);
  writes_.erase(write);
}

std::vector<std::function<void()>> ReaderBudget::TakeStalled(absl::Duration now) {
  std::vector<std::function<void()>> stalled;
  for (auto it = writes_.begin(); it != writes_.end();) {
    const auto here = it++;
    if (now - here->second <= longest_stall_) continue;
    stalled.push_back(here->first->OnStall());
    writes_.erase(here);
  }
  return stalled;
}

void ReaderBudget::RefuseOverdue() {
  std::vector<std::function<void()>> stalled;
  {
    absl::MutexLock lock(&mutex_);
    if (waiting_.empty()) return;
    const absl::Duration now = clock_->Now();
    stalled = TakeStalled(now);
    // Ending the call frees its bytes for the waiting readers.
    if (stalled.empty()) RefuseWaiting(now);
  }
  for (const auto& break_off : stalled) break_off();
}

void ReaderBudget::RefuseWaiting(absl::Duration now) {
  while (!waiting_.empty() && now - waiting_.front().since > longest_wait_) {
    BudgetWaiter* const refused = waiting_.front().waiter;
    waiting_.pop_front();
    refused->OnBudget(false);
  }
  GrantWaiting();
}

uint64_t ReaderBudget::used() const {
  absl::MutexLock lock(&mutex_);
  return used_;
}

}  // namespace walden
