// Keeps several commits of a log under way, and notes what they come to.
#pragma once

#include <deque>
#include <functional>
#include <utility>
#include <vector>

#include "engine/log_engine.h"
#include "gtest/gtest.h"
#include "tests/conformance/log_fixture.h"
#include "tests/support/log_verbs.h"

namespace walden::testing {

// Begins commits without letting the log work, until `depth` of them are under way. One thread.
class Pipeline {
 public:
  Pipeline(RegionLog* log, size_t depth) : log_(log), depth_(depth) {}

  // Begins a group of batches, after it made room for it.
  void Commit(std::vector<Batch> group) {
    while (commits_under_way_ >= depth_ && Work()) {
    }
    ASSERT_LT(commits_under_way_, depth_) << "the log stopped working";
    const size_t first = results_.size();
    std::vector<AppendBatch*> batches;
    for (Batch& batch : group) {
      batches_.push_back(std::move(batch));
      results_.emplace_back();
      engine_batches_.push_back(EngineBatch(batches_.back()));
      batches.push_back(&engine_batches_.back());
    }
    ++commits_under_way_;
    log_->Commit(batches, [this, first, end = results_.size(), operation = begun_++] {
      --commits_under_way_;
      NoteDone(operation);
      for (size_t i = first; i < end; ++i) results_[i] = ResultOf(engine_batches_[i]);
      batches_done_ = end;
      if (on_done) on_done();
    });
  }
  void Commit(const Batch& batch) { Commit(std::vector<Batch>{batch}); }

  // Begins another operation. `begin` gets what is to be called with the outcome.
  template <typename Result>
  void Begin(const std::function<void(std::function<void(Result)>)>& begin, Result* result) {
    begin([this, result, operation = begun_++](Result outcome) {
      *result = std::move(outcome);
      NoteDone(operation);
    });
  }

  // Lets the log work once. Returns false if it does not.
  bool Work() {
    const size_t before = done_;
    return log_->Work() || done_ > before;
  }
  // Until everything is done.
  void Finish() {
    while (done_ < begun_ && Work()) {
    }
    ASSERT_EQ(done_, begun_) << "the log stopped working";
  }

  size_t begun() const { return begun_; }  // operations
  size_t done() const { return done_; }
  const std::deque<Batch>& batches() const { return batches_; }
  // In the order of the batches.
  const std::deque<BatchResult>& results() const { return results_; }
  size_t batches_done() const { return batches_done_; }

  // Called at the end of each commit.
  std::function<void()> on_done;

 private:
  void NoteDone(size_t operation) {
    EXPECT_EQ(operation, done_) << "operations are done in the order in which they were begun";
    ++done_;
  }

  RegionLog* const log_;
  const size_t depth_;
  size_t commits_under_way_ = 0;
  size_t begun_ = 0;
  size_t done_ = 0;
  size_t batches_done_ = 0;
  std::deque<Batch> batches_;
  std::deque<AppendBatch> engine_batches_;  // point into batches_
  std::deque<BatchResult> results_;
};

}  // namespace walden::testing
