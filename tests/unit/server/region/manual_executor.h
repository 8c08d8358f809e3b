// An executor that runs work only when the test says so, in the test's thread.
#pragma once

#include <deque>
#include <functional>
#include <utility>

#include "base/clock.h"
#include "base/executor.h"

namespace walden {

// One thread.
class ManualExecutor final : public Executor {
 public:
  ~ManualExecutor() override { RunAll(); }

  void Post(std::function<void()> work) override { queue_.push_back(std::move(work)); }

  bool RunOne() {
    if (queue_.empty()) return false;
    const std::function<void()> work = std::move(queue_.front());
    queue_.pop_front();
    work();
    return true;
  }
  void RunAll() {
    while (RunOne()) {
    }
  }
  size_t waiting() const { return queue_.size(); }

 private:
  std::deque<std::function<void()>> queue_;
};

class ManualClock final : public Clock {
 public:
  absl::Duration Now() const override { return now_; }
  void Advance(absl::Duration by) { now_ += by; }

 private:
  absl::Duration now_ = absl::Hours(1);
};

}  // namespace walden
