// A pipeline of operations of the histories that write to one region: answers are checked in the order
// in which their operations were begun, which is the order in which they must come. Further
// operations are begun between steps, in answers and in the middle of calls of the disk. One thread.
#pragma once

#include <deque>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "tests/simulation/log_pipeline.h"
#include "tests/simulation/operation.h"
#include "tests/simulation/region_on_disk.h"
#include "tests/support/random.h"

namespace walden::testing {

class CheckedPipeline {
 public:
  // Called once, with the answer, or with an operation that is not `answered` and never will be.
  using Check = std::function<absl::Status(const Operation&)>;

  // All outlive it. `begin_next` may begin further operations with Begin, where CanBegin says so.
  CheckedPipeline(RegionOnDisk* region, Random* random, size_t max_commits,
                  std::function<void()> begin_next);
  ~CheckedPipeline();

  bool CanBegin() const { return wrong_.ok() && pipeline_.CanBegin(); }
  bool CanBeginCommit() const { return wrong_.ok() && pipeline_.CanBeginCommit(); }
  void Begin(std::shared_ptr<Operation> operation, Check check);

  // Does one step of what is under way; false if nothing is left to do.
  bool Step() { return pipeline_.Step(); }
  // Does everything that is under way.
  absl::Status Drain();
  // The machine goes down before the rest is answered.
  absl::Status Abandon();

  bool empty() const { return under_way_.empty(); }
  // What was wrong with an answer.
  const absl::Status& wrong() const { return wrong_; }

 private:
  struct UnderWay {
    std::shared_ptr<Operation> operation;
    Check check;
  };
  void OnAnswer();
  void Meanwhile();

  RegionOnDisk* const region_;
  Random* const random_;
  const std::function<void()> begin_next_;
  std::deque<UnderWay> under_way_;  // in the order in which they were begun
  absl::Status wrong_;
  LogPipeline pipeline_;
};

}  // namespace walden::testing
