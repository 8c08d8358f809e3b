// The operations that a log was asked for and has not finished, for engines that do their I/O in
// threads that are lent to them (engine/log_engine.h: RegionLog::Work).
//
// The thread that begins operations may do a part of them at once, as long as only such parts are
// under way: then it has the log's writing state for itself, and the lent thread only waits for the
// disk. Everything else runs as a whole in a lent thread, alone and in its turn. So no two threads
// ever use the writing state at once, and no lock is held across I/O.
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
    // Whether its first part was done when it was added.
    virtual bool is_begun() const { return false; }
    // Does all of it. Not called if is_begun().
    virtual void Run() = 0;
    // Tells its caller. Called without a lock, in order.
    virtual void Done() = 0;
  };

  // --- The thread that begins operations. ---

  // Whether everything under way is begun, so that the caller has the writing state until the next
  // Add of an operation that is not.
  bool AllBegun() const {
    absl::MutexLock lock(&mutex_);
    return waiting_ == 0;
  }
  bool Empty() const {
    absl::MutexLock lock(&mutex_);
    return operations_.empty();
  }
  void Add(std::unique_ptr<Operation> operation);

  // Adds an operation that `run` does, and whose result `done` gets.
  template <typename Result>
  void Add(std::function<Result()> run, std::function<void(Result)> done);

  // --- Any thread. ---

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
