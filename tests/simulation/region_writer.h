// The two ways in which a simulation writes to a region: straight to its log, or through the
// daemon's actor, which makes its own groups of what waits.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/executor.h"
#include "engine/log_engine.h"
#include "server/region/region_actor.h"
#include "tests/support/log_verbs.h"
#include "tests/support/random.h"

namespace walden::testing {

// Runs work at times and in an order that the seed decides. One thread.
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
  virtual ~RegionWriter() = default;  // as after a crash, unless Close was called

  virtual const RegionLog& log() const = 0;

  // Whether all of one Commit is one group of the log, written and synced at once.
  virtual bool one_group() const = 0;

  // INTERNAL if something was never answered.
  virtual absl::StatusOr<std::vector<BatchResult>> Commit(const std::vector<Batch>& batches) = 0;
  virtual absl::StatusOr<uint64_t> OpenProducer(std::optional<uint64_t> version) = 0;
  virtual absl::StatusOr<std::vector<SequenceNumber>> MarkDeleted(
      const std::vector<TableMark>& marks, std::optional<uint64_t> version) = 0;
  virtual absl::Status Fence(uint64_t version) = 0;
  virtual absl::Status Sync() = 0;
  virtual absl::Status NoteDurable() = 0;
  virtual absl::Status Close() = 0;
};

std::unique_ptr<RegionWriter> WriteToLog(std::unique_ptr<RegionLog> log);

// `executor` and `random` outlive it; all work must have been run before it is destroyed.
std::unique_ptr<RegionWriter> WriteThroughActor(RegionId region, std::unique_ptr<RegionLog> log,
                                                RandomExecutor* executor, Random* random);

}  // namespace walden::testing
