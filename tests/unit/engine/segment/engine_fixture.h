// A machine with one segment engine on it, for what can go wrong around its regions.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/memory_budget.h"
#include "engine/io/disk_space.h"
#include "engine/observer.h"
#include "engine/segment/segment_engine.h"
#include "engine/wait.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/log_verbs.h"

namespace walden::testing {

class NotedProblems final : public EngineObserver {
 public:
  void OnProblem(const absl::Status& what) override { texts.emplace_back(what.message()); }
  std::vector<std::string> texts;
};

// Runs work when it is told to.
class WorkWhenTold final : public Executor {
 public:
  void Post(std::function<void()> work) override { waiting_.push_back(std::move(work)); }
  void RunAll() {
    while (!waiting_.empty()) {
      const auto work = std::move(waiting_.front());
      waiting_.erase(waiting_.begin());
      work();
    }
  }

 private:
  std::vector<std::function<void()>> waiting_;
};

class SegmentEngineTest : public ::testing::Test {
 protected:
  static constexpr RegionId kRegion = 7;
  static constexpr uint64_t kSegmentBytes = 256 << 10;

  void SetUp() override {
    ASSERT_TRUE(disk_.CreateDirectory("/data").ok());
    ASSERT_TRUE(disk_.SyncDirectory("/").ok());
  }
  void TearDown() override {
    log_ = nullptr;
    background_.RunAll();
    engine_ = nullptr;
  }

  absl::Status TryOpenEngine() {
    log_ = nullptr;
    background_.RunAll();
    engine_ = nullptr;
    auto engine = SegmentEngine::Open({.file_system = &disk_,
                                       .clock = Clock::Real(),
                                       .wall_clock = wall_clock_,
                                       .background = &background_,
                                       .observer = &problems_,
                                       .data_directory = "/data",
                                       .namespace_name = "ns",
                                       .spare_segment_bytes = kSegmentBytes,
                                       .spare_segments = spares_,
                                       .disk = space_.get(),
                                       .index_budget = index_budget_.get()});
    if (engine.ok()) engine_ = *std::move(engine);
    return engine.status();
  }
  void OpenEngine() {
    const absl::Status status = TryOpenEngine();
    ASSERT_TRUE(status.ok()) << status;
  }

  absl::Status TryOpenRegion(RegionId region = kRegion, bool create = true) {
    log_ = nullptr;
    auto log = OpenRegionAndWait(*engine_, region, {.segment_size_bytes = segment_bytes_}, create);
    if (log.ok()) log_ = *std::move(log);
    return log.status();
  }
  void OpenRegion() {
    const absl::Status status = TryOpenRegion();
    ASSERT_TRUE(status.ok()) << status;
  }
  // The engine gone as after a kill, and up again with the region open.
  void Restart() {
    OpenEngine();
    OpenRegion();
  }

  BatchResult Append(TableId table, size_t bytes, char fill = 'x') {
    return CommitOne(*log_, {.table = table, .payloads = {std::string(bytes, fill)}});
  }

  FaultFileSystem disk_{/*seed=*/1};
  const WallClock* wall_clock_ = WallClock::Real();
  NotedProblems problems_;
  WorkWhenTold background_;
  size_t spares_ = 0;
  uint64_t segment_bytes_ = kSegmentBytes;
  std::unique_ptr<DiskSpace> space_;
  std::unique_ptr<MemoryBudget> index_budget_;
  std::unique_ptr<SegmentEngine> engine_;
  std::unique_ptr<RegionLog> log_;
};

}  // namespace walden::testing
