// Begins operations on a region's log while others are under way, and does what is under way one step
// at a time (RegionLog::Work). One thread.
#pragma once

#include <functional>
#include <memory>

#include "engine/log_engine.h"
#include "tests/simulation/operation.h"

namespace walden::testing {

class LogPipeline {
 public:
  // `log` outlives it, or is not used any more. `max_commits`: that may be under way. `on_answer` is
  // called after each answer, and may begin further operations.
  LogPipeline(RegionLog* log, size_t max_commits, std::function<void()> on_answer)
      : log_(log), max_commits_(max_commits), on_answer_(std::move(on_answer)) {}

  // Whether an operation can be begun now: none is being begun.
  bool CanBegin() const { return !is_beginning_; }
  // Whether it can be a commit.
  bool CanBeginCommit() const { return CanBegin() && commits_ < max_commits_; }

  // The answer is in the operation as soon as that is `answered`, unless the log is destroyed before.
  void Begin(std::shared_ptr<Operation> operation);

  // Returns whether more is to be done.
  bool Step() { return log_->Work(); }

 private:
  void BeginCommit(std::shared_ptr<Operation> operation);
  RegionLog::Done StatusInto(std::shared_ptr<Operation> operation);
  void Answered(Operation& operation);

  RegionLog* const log_;
  const size_t max_commits_;
  const std::function<void()> on_answer_;
  bool is_beginning_ = false;
  size_t commits_ = 0;  // under way
};

}  // namespace walden::testing
