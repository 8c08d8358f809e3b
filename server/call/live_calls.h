// Counts the open calls, and knows those that do not end by themselves, so that a shutdown can end
// them.
#pragma once

#include <atomic>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace walden {

// A call that ends only when it is told to.
class LiveCall {
 public:
  virtual ~LiveCall() = default;

  // The daemon is shutting down. The call must take no more requests, answer those that it took,
  // and end. Called at most once. The call stays alive meanwhile because Remove waits.
  virtual void OnShutdown() = 0;

  // Identities or rights changed. The call must end if its caller may not go on. It stays alive.
  virtual void OnAccessChanged() = 0;
};

// Any thread may use it.
class LiveCalls {
 public:
  // False, and the call is not added, if the daemon is shutting down.
  bool Add(LiveCall* call) {
    absl::MutexLock lock(&mutex_);
    if (shutting_down()) return false;
    calls_.insert(call);
    return true;
  }

  // Once it returned, neither callback runs or will run. Does nothing for a call that is not there.
  void Remove(LiveCall* call) {
    absl::MutexLock lock(&mutex_);
    calls_.erase(call);
  }

  void Shutdown() {
    absl::MutexLock lock(&mutex_);
    shutting_down_.store(true);
    for (LiveCall* call : calls_) call->OnShutdown();
  }

  void AccessChanged() {
    absl::MutexLock lock(&mutex_);
    for (LiveCall* call : calls_) call->OnAccessChanged();
  }

  // CountIn counts every open call. LimitIn also counts the call towards the limit.
  void CountIn() { counted_.fetch_add(1); }
  void LimitIn() { limited_.fetch_add(1, std::memory_order_relaxed); }
  void LimitOut() { limited_.fetch_sub(1, std::memory_order_relaxed); }
  // Whether more calls are counted than the limit allows. A limit of 0 means none.
  bool TooMany() const {
    const int64_t limit = max_calls_.load(std::memory_order_relaxed);
    return limit != 0 && limited_.load(std::memory_order_relaxed) > limit;
  }
  int64_t max_calls() const { return max_calls_.load(std::memory_order_relaxed); }
  void set_max_calls(uint64_t limit) { max_calls_.store(static_cast<int64_t>(limit)); }
  void CountOut() {
    counted_.fetch_sub(1);
    if (shutting_down()) absl::MutexLock lock(&mutex_);  // wakes AwaitNone
  }

  // Waits until no call is under way; false if that takes longer.
  bool AwaitNone(absl::Duration timeout) {
    absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(this, &LiveCalls::None), timeout);
  }

  bool shutting_down() const { return shutting_down_.load(); }

 private:
  bool None() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return calls_.empty() && counted_.load() == 0;
  }

  absl::Mutex mutex_;
  std::atomic<bool> shutting_down_{false};
  std::atomic<int64_t> counted_{0};
  std::atomic<int64_t> limited_{0};
  std::atomic<int64_t> max_calls_{0};
  absl::flat_hash_set<LiveCall*> calls_ ABSL_GUARDED_BY(mutex_);
};

// Counts the call that it is a member of.
class CallCount {
 public:
  explicit CallCount(LiveCalls* calls) : calls_(calls) { calls_->CountIn(); }
  ~CallCount() {
    if (limited_) calls_->LimitOut();
    calls_->CountOut();
  }
  CallCount(const CallCount&) = delete;
  CallCount& operator=(const CallCount&) = delete;

  // Also counts the call towards the limit. At most once.
  void Limit() {
    limited_ = true;
    calls_->LimitIn();
  }

 private:
  LiveCalls* const calls_;
  bool limited_ = false;
};

}  // namespace walden
