// An engine in memory for tests, with all of the engine interface (engine/log_engine.h), which tests
// can hold up, make fail and look into.
//
// Several engines over one store are as several nodes over one bucket: each log in it has one owner.
// An engine with `owns_by_opening` is as one on a disk.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "base/executor.h"
#include "engine/log_engine.h"
#include "tests/support/memory_engine/memory_store.h"

namespace walden {

struct MemoryEngineOptions {
  std::shared_ptr<MemoryStore> store;  // null: one of its own
  // Of the node. A log that it owned is its own again after a restart.
  std::string identity = "engine";
  std::string address;  // where others send what is for the owner
  bool owns_by_opening = true;
  // Operations are finished on it; null: as `in_lent_threads` says, in RegionLog::Work, or in the call
  // that begins them.
  Executor* executor = nullptr;
  bool in_lent_threads = false;
  const WallClock* wall_clock = nullptr;  // null: it stands at kAppendedUnixMicros
  absl::Duration linger;                  // of CommitPolicy
};

// Any thread.
class MemoryEngine final : public LogEngine {
 public:
  explicit MemoryEngine(MemoryEngineOptions options = {});
  ~MemoryEngine() override;
  // FAILED_PRECONDITION (LOCKED) if another engine that owns by opening is open on the store.
  static absl::StatusOr<std::unique_ptr<MemoryEngine>> Open(MemoryEngineOptions options);

  const std::shared_ptr<MemoryStore>& store() const { return options_.store; }
  // Makes it if it is not there. Stays until it is dropped.
  std::shared_ptr<MemoryRegion> Region(RegionId region) { return store()->Region(region); }

  // Every opening of this region fails with `status` until it is OK again.
  void FailOpening(RegionId region, absl::Status status);
  // Every listing fails with `status` until it is OK again.
  void FailListing(absl::Status status);
  // Runs inside each opening: to hold it up.
  void SetInOpening(std::function<void(RegionId)> in_opening);
  // Openings from now on are done when they are let go, in the thread that does it.
  void HoldOpenings();
  void LetOpeningsGo();
  int openings() const;

  absl::string_view name() const override { return "memory"; }
  RecordOrder record_order() const override { return RecordOrder::kAppend; }
  absl::StatusOr<std::vector<RegionId>> ListRegions() const override;
  bool opening_owns() const override { return options_.owns_by_opening; }
  absl::StatusOr<std::vector<RegionId>> ListOwned() const override;
  void OpenRegion(RegionId region, const OpenRequest& request,
                  std::function<void(absl::StatusOr<std::unique_ptr<RegionLog>>)> done) override;
  void DropRegion(RegionId region, std::function<void(absl::StatusOr<bool>)> done) override;
  EngineUsage Usage() const override { return {}; }
  TablePosition PositionInAbsentRegion(TableId) const override { return {}; }
  absl::Status CheckFitsNewRegion(const RegionOptions&, const AppendBatch&) const override {
    return absl::OkStatus();
  }
  void KeepHouse() override {}
  absl::Status CountDiskUsage() override { return absl::OkStatus(); }
  absl::Status VerifyClosedRegion(
      RegionId region, absl::FunctionRef<bool(const VerifyProgress&)> report) const override;

 private:
  absl::StatusOr<std::unique_ptr<RegionLog>> OpenRegionNow(RegionId region,
                                                           const OpenRequest& request);
  absl::StatusOr<bool> DropRegionNow(RegionId region);
  absl::StatusOr<std::vector<RegionId>> List(bool only_owned) const;
  // Calls it as the end of something that takes long.
  void Finish(std::function<void()> done);

  const MemoryEngineOptions options_;
  bool has_lock_ = false;
  mutable absl::Mutex mutex_;
  std::map<RegionId, absl::Status> failing_ ABSL_GUARDED_BY(mutex_);
  absl::Status listing_ ABSL_GUARDED_BY(mutex_);
  std::function<void(RegionId)> in_opening_ ABSL_GUARDED_BY(mutex_);
  bool holds_openings_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::function<void()>> held_openings_ ABSL_GUARDED_BY(mutex_);
  int openings_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace walden
