// The bytes that all open readers may hold together.
#pragma once

#include <cstdint>
#include <deque>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "engine/clock.h"

namespace walden {

// A reader that waits for its turn.
class BudgetWaiter {
 public:
  virtual ~BudgetWaiter() = default;

  // Granted: the bytes are the waiter's. Refused: it waited too long. Called once per wait, on any
  // thread, with a lock held: must hand over to an executor and not touch the budget.
  virtual void OnBudget(bool granted) = 0;
};

// Any thread may use it. First come, first served: while somebody waits, nobody overtakes.
class ReaderBudget {
 public:
  // `clock` outlives it.
  ReaderBudget(uint64_t limit_bytes, absl::Duration longest_wait, const Clock* clock)
      : limit_(limit_bytes), longest_wait_(longest_wait), clock_(clock) {}
  ReaderBudget(const ReaderBudget&) = delete;
  ReaderBudget& operator=(const ReaderBudget&) = delete;

  // Takes the bytes now, or nothing.
  bool TryAcquire(uint64_t bytes);

  // Takes the bytes now (true), or makes the waiter wait. More bytes than the limit are granted
  // when nobody else holds any.
  bool AcquireOrWait(uint64_t bytes, BudgetWaiter* waiter);

  // Stops waiting. False if OnBudget was called already; it is not called afterwards.
  bool Cancel(BudgetWaiter* waiter);

  // Takes the bytes even past the limit: for the rest of a record that turned out larger than what
  // was taken for it.
  void AcquireMore(uint64_t bytes);

  void Release(uint64_t bytes);

  // Refuses those that waited longer than allowed. To be called now and then.
  void RefuseOverdue();

  uint64_t used() const;
  uint64_t limit() const { return limit_; }

 private:
  struct Waiting {
    BudgetWaiter* waiter;
    uint64_t bytes;
    absl::Duration since;
  };

  bool Fits(uint64_t bytes) const ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return used_ + bytes <= limit_ || used_ == 0;
  }

  const uint64_t limit_;
  const absl::Duration longest_wait_;
  const Clock* const clock_;
  mutable absl::Mutex mutex_;
  uint64_t used_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<Waiting> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace walden
