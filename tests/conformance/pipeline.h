// Keeps several commits of a log under way, and notes what they come to.
#pragma once

#include <deque>
#include <functional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "engine/log_engine.h"
#include "gtest/gtest.h"
#include "tests/conformance/log_fixture.h"
#include "tests/support/log_verbs.h"

namespace walden::testing {

// Begins commits without letting the log work, until `depth` of them are under way. One thread, which
// waits for an engine that finishes operations by itself.
class Pipeline {
 public:
  // As deep as the setting says, or so much deeper.
  Pipeline(RegionLog* log, const Setting& setting, size_t deeper = 0)
      : log_(log), depth_(setting.pipeline + deeper), waits_(setting.engine->finishes_by_itself) {}

  // Begins a group of batches, after it made room for it.
  void Commit(std::vector<Batch> group) {
    while (commits_under_way() >= depth_ && Work()) {
    }
    ASSERT_LT(commits_under_way(), depth_) << "the log stopped working";
    struct Begun {
      AppendBatch* batch;
      BatchResult* result;
    };
    std::vector<Begun> begun;
    std::vector<AppendBatch*> batches;
    for (Batch& batch : group) {
      batches_.push_back(std::move(batch));
      results_.emplace_back();
      engine_batches_.push_back(EngineBatch(batches_.back()));
      batches.push_back(&engine_batches_.back());
      begun.push_back({&engine_batches_.back(), &results_.back()});
    }
    {
      absl::MutexLock lock(&mutex_);
      ++commits_under_way_;
    }
    log_->Commit(batches, [this, begun = std::move(begun), operation = begun_++] {
      for (const auto& [batch, result] : begun) *result = ResultOf(*batch);
      {
        absl::MutexLock lock(&mutex_);
        --commits_under_way_;
        batches_done_ += begun.size();
        NoteDone(operation);
        if (!on_done) return;  // nobody waits for more
      }
      on_done();
    });
  }
  void Commit(const Batch& batch) { Commit(std::vector<Batch>{batch}); }

  // Begins another operation. `begin` gets what is to be called with the outcome.
  template <typename Result>
  void Begin(const std::function<void(std::function<void(Result)>)>& begin, Result* result) {
    begin([this, result, operation = begun_++](Result outcome) {
      *result = std::move(outcome);
      absl::MutexLock lock(&mutex_);
      NoteDone(operation);
    });
  }

  // Lets the log work once, or waits until it ends an operation by itself. Returns false if it does
  // not.
  bool Work() {
    const size_t before = done();
    if (log_->Work() || done() > before) return true;
    if (!waits_ || done() == begun_) return false;
    const auto is_more_done = [&]()
                                  ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return done_ > before; };
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&is_more_done));
    return true;
  }
  // Until everything is done.
  void Finish() {
    while (done() < begun_ && Work()) {
    }
    ASSERT_EQ(done(), begun_) << "the log stopped working";
  }

  size_t begun() const { return begun_; }  // operations
  size_t done() const {
    absl::MutexLock lock(&mutex_);
    return done_;
  }
  size_t commits_under_way() const {
    absl::MutexLock lock(&mutex_);
    return commits_under_way_;
  }
  const std::deque<Batch>& batches() const { return batches_; }
  // In the order of the batches.
  const std::deque<BatchResult>& results() const { return results_; }
  size_t batches_done() const {
    absl::MutexLock lock(&mutex_);
    return batches_done_;
  }

  // Called at the end of each commit, of an engine that does not finish operations by itself.
  std::function<void()> on_done;

 private:
  void NoteDone(size_t operation) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    EXPECT_EQ(operation, done_) << "operations are done in the order in which they were begun";
    ++done_;
  }

  RegionLog* const log_;
  const size_t depth_;
  const bool waits_;
  size_t begun_ = 0;
  std::deque<Batch> batches_;
  std::deque<AppendBatch> engine_batches_;  // point into batches_
  std::deque<BatchResult> results_;

  mutable absl::Mutex mutex_;
  size_t commits_under_way_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t done_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t batches_done_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace walden::testing
