// The engine of a namespace that may not be open yet. It is opened while the daemon already serves,
// and a failed opening is tried again.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "engine/log_engine.h"

namespace walden {

// Passes every call on to the engine once it is open. Until then calls return UNAVAILABLE during
// the first attempt to open it, and afterwards the error of the last attempt. Any thread.
class LateEngine final : public LogEngine {
 public:
  // `kind` is what name() says: "segment", "rocksdb".
  explicit LateEngine(std::string kind) : kind_(std::move(kind)) {}

  // Stores the result of an attempt to open it. An open engine stays open.
  void SetOpen(std::unique_ptr<LogEngine> engine) ABSL_LOCKS_EXCLUDED(mutex_);
  void SetFailed(const absl::Status& why) ABSL_LOCKS_EXCLUDED(mutex_);

  // Calls `decided` once the first attempt has ended; inside this call if it has.
  void WhenDecided(std::function<void()> decided) ABSL_LOCKS_EXCLUDED(mutex_);

  bool is_decided() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return decided_;
  }
  bool is_open() const { return open_.load(std::memory_order_acquire) != nullptr; }
  // OK if it is open, otherwise the reason why it is not.
  absl::Status Failure() const ABSL_LOCKS_EXCLUDED(mutex_);

  absl::string_view name() const override { return kind_; }
  RecordOrder record_order() const override;
  EngineUsage Usage() const override;
  absl::StatusOr<std::vector<RegionId>> ListRegions() const override;
  absl::StatusOr<std::vector<RegionId>> ListOwned() const override;
  bool opening_owns() const override;
  void OpenRegion(RegionId region, const OpenRequest& request,
                  std::function<void(absl::StatusOr<std::unique_ptr<RegionLog>>)> done) override;
  void DropRegion(RegionId region, std::function<void(absl::StatusOr<bool>)> done) override;
  TablePosition PositionInAbsentRegion(TableId table) const override;
  absl::Status CheckFitsNewRegion(const RegionOptions& options,
                                  const AppendBatch& batch) const override;
  void KeepHouse() override;
  absl::Status CountDiskUsage() override;
  absl::Status VerifyClosedRegion(
      RegionId region, absl::FunctionRef<bool(const VerifyProgress&)> report) const override;

 private:
  LogEngine* engine() const { return open_.load(std::memory_order_acquire); }
  std::vector<std::function<void()>> Decide() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string kind_;
  std::unique_ptr<LogEngine> owned_;  // set once, before open_
  std::atomic<LogEngine*> open_{nullptr};

  mutable absl::Mutex mutex_;
  bool decided_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::function<void()>> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace walden
