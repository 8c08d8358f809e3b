// The operations that a log was asked for and has not finished, for engines that do their I/O in
// threads that are lent to them (engine/log_engine.h: RegionLog::Work).
//
// An operation that waits for the disk in the end may have a first part, which does not: the thread that
// begins it does that part at once, as long as only such operations are under way. Then it has the log's
// writing state for itself, and the lent thread only waits for the disk. Otherwise the lent thread has
// the writing state until nothing waits for it any more. So no two threads ever use it at once, and no
// lock is held across I/O.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"

namespace walden {

class OperationQueue {
 public:
  class Operation {
   public:
    virtual ~Operation() = default;
    // Whether its first part is done.
    virtual bool is_begun() const { return false; }
    // Does the first part if that is possible now. `is_alone`: nothing else is under way.
    virtual bool Begin(bool /*is_alone*/) { return false; }
    // Does all of an operation that cannot be begun, alone.
    virtual void Run() {}
    // Tells its caller. Called without a lock, in order.
    virtual void Done() = 0;
  };

  // --- The thread that begins operations. ---

  // Adds it, and begins it if the caller has the writing state.
  void Add(std::unique_ptr<Operation> operation) ABSL_LOCKS_EXCLUDED(mutex_);

  // Adds an operation that `run` does, and whose result `done` gets.
  template <typename Result>
  void Add(std::function<Result()> run, std::function<void(Result)> done);

  // --- Any thread. ---

  bool Empty() const {
    absl::MutexLock lock(&mutex_);
    return operations_.empty();
  }

  // One step of RegionLog::Work. `finish` finishes begun operations from the first one on, at least
  // that one, and returns how many.
  bool Work(absl::FunctionRef<size_t(absl::Span<Operation* const>)> finish);

  // Operations that were added, and those that are done.
  uint64_t added() const {
    absl::MutexLock lock(&mutex_);
    return added_;
  }
  uint64_t done() const {
    absl::MutexLock lock(&mutex_);
    return added_ - operations_.size();
  }

 private:
  // Begins what waits at the front, and returns the begun operations there.
  std::vector<Operation*> BeginWaiting() ABSL_LOCKS_EXCLUDED(mutex_);

  mutable absl::Mutex mutex_;
  std::deque<std::unique_ptr<Operation>> operations_ ABSL_GUARDED_BY(mutex_);
  size_t waiting_ ABSL_GUARDED_BY(mutex_) = 0;  // of them, not begun
  uint64_t added_ ABSL_GUARDED_BY(mutex_) = 0;
  bool is_working_ ABSL_GUARDED_BY(mutex_) = false;
};

template <typename Result>
void OperationQueue::Add(std::function<Result()> run, std::function<void(Result)> done) {
  class Whole final : public Operation {
   public:
    Whole(std::function<Result()> run, std::function<void(Result)> done)
        : run_(std::move(run)), done_(std::move(done)) {}
    void Run() override { result_ = run_(); }
    void Done() override { done_(std::move(result_)); }

   private:
    const std::function<Result()> run_;
    const std::function<void(Result)> done_;
    Result result_;
  };
  Add(std::make_unique<Whole>(std::move(run), std::move(done)));
}

}  // namespace walden
