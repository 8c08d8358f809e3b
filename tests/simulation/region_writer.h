// The two ways in which a simulation writes to a region: straight to its log, or through the
// daemon's actor, which makes its own groups of what waits. In both, operations are begun while
// others are under way, and what is under way is done one step at a time.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "base/executor.h"
#include "engine/log_engine.h"
#include "server/region/region_actor.h"
#include "tests/simulation/operation.h"
#include "tests/support/random.h"

namespace walden::testing {

// Runs work at times and in an order that the seed decides. One thread. Work may run other work: then
// the two are as two threads, of which the first one waits meanwhile.
class RandomExecutor final : public Executor {
 public:
  explicit RandomExecutor(uint64_t seed) : random_(seed) {}
  ~RandomExecutor() override { RunAll(); }

  void Post(std::function<void()> work) override { work_.push_back(std::move(work)); }

  // Runs one piece of work; false if there is none.
  bool RunOne();
  void RunAll() {
    while (RunOne()) {
    }
  }

 private:
  Random random_;
  std::vector<std::function<void()>> work_;
};

class RegionWriter {
 public:
  virtual ~RegionWriter() = default;  // as after a crash, unless it was closed

  virtual const RegionLog& log() const = 0;

  // Whether a commit is one group of the log, written and synced at once, and whether operations take
  // effect when the log begins them; otherwise they wait in a mailbox before.
  virtual bool is_direct() const = 0;

  // Whether an operation, or a commit, can be begun now, and not while another one is being begun.
  virtual bool CanBegin() const = 0;
  virtual bool CanBeginCommit() const = 0;

  // Begins the operation. The answer is in it once it is `answered`. Nothing can be begun after
  // kClose.
  virtual void Begin(std::shared_ptr<Operation> operation) = 0;

  // Does a step of what is under way. Returns false if nothing is left to do.
  virtual bool Step() = 0;

  // INTERNAL if something was answered twice, or the log was used in a way that it does not allow.
  virtual absl::Status CheckAnswers() const { return absl::OkStatus(); }
};

// `max_commits`: that may be under way. `on_answer` is called after each answer.
std::unique_ptr<RegionWriter> WriteToLog(std::unique_ptr<RegionLog> log, size_t max_commits,
                                         std::function<void()> on_answer);

// `executor` and `random` outlive it; all work must have been run before it is destroyed.
std::unique_ptr<RegionWriter> WriteThroughActor(RegionId region, std::unique_ptr<RegionLog> log,
                                                size_t max_commits, RandomExecutor* executor,
                                                Random* random, std::function<void()> on_answer);

}  // namespace walden::testing
