// The bytes that all open readers may hold together.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/clock.h"

namespace walden {

// A reader that waits for its turn.
class BudgetWaiter {
 public:
  virtual ~BudgetWaiter() = default;

  // `granted`: the waiter owns the bytes. Otherwise it waited too long. Called once per wait, on
  // any thread, with a lock held: must hand over to an executor and not touch the budget.
  virtual void OnBudget(bool granted) = 0;
};

// A message that is being sent to a client, which may have stopped reading.
class StandingWrite {
 public:
  virtual ~StandingWrite() = default;

  // The client has not read the message for too long while other readers wait. Called at most once
  // per WriteBegan, on any thread, with a lock held: must not block and not touch the budget. The
  // returned function ends the call. It runs without the lock and may outlive this object.
  virtual std::function<void()> OnStall() = 0;
};

// Any thread may use it. Readers get bytes in the order in which they asked.
class ReaderBudget {
 public:
  // `clock` outlives it. `longest_stall`: limit of a write while a reader waits.
  ReaderBudget(uint64_t limit_bytes, absl::Duration longest_wait, const Clock* clock,
               absl::Duration longest_stall = absl::InfiniteDuration())
      : limit_(limit_bytes),
        longest_wait_(longest_wait),
        longest_stall_(longest_stall),
        clock_(clock) {}
  ReaderBudget(const ReaderBudget&) = delete;
  ReaderBudget& operator=(const ReaderBudget&) = delete;

  // Takes the bytes now, or nothing.
  bool TryAcquire(uint64_t bytes);

  // Takes the bytes now (true), or makes the waiter wait. More bytes than the limit are granted
  // when no other reader holds any.
  bool AcquireOrWait(uint64_t bytes, BudgetWaiter* waiter);

  // Stops waiting. False if OnBudget was called already; it is not called afterwards.
  bool Cancel(BudgetWaiter* waiter);

  // Takes the bytes even past the limit, for a record that turned out larger than the bytes
  // acquired for it.
  void AcquireMore(uint64_t bytes);

  void Release(uint64_t bytes);

  // WriteBegan: a message is being sent. WriteEnded: it was read, or the call ended; may be
  // repeated.
  void WriteBegan(StandingWrite* write);
  void WriteEnded(StandingWrite* write);

  // Ends the calls of clients that have not read for too long while readers wait, and refuses
  // readers that waited too long. To be called regularly.
  void RefuseOverdue();

  absl::Duration longest_stall() const { return longest_stall_; }
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

  void GrantWaiting() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RefuseWaiting(absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::vector<std::function<void()>> TakeStalled(absl::Duration now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const uint64_t limit_;
  const absl::Duration longest_wait_;
  const absl::Duration longest_stall_;
  const Clock* const clock_;
  mutable absl::Mutex mutex_;
  uint64_t used_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<Waiting> waiting_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<StandingWrite*, absl::Duration> writes_
      ABSL_GUARDED_BY(mutex_);  // since when
};

}  // namespace walden
