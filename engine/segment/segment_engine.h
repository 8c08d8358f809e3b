// The segment engine: one namespace on a local disk (FORMAT.md).
//
//   <data directory>/<namespace>/LOCK
//                               /spare/            segment files made ahead
//                               /<region id>/metadata
//                                           /seg_<id>
//                                           /evidence/   bytes cut off as torn tails
//
// Any thread, as engine/log_engine.h says.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_set.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/memory_budget.h"
#include "engine/io/directory_names.h"
#include "engine/io/disk_quota.h"
#include "engine/io/disk_space.h"
#include "engine/io/file_system.h"
#include "engine/log_engine.h"
#include "engine/observer.h"

namespace walden {

namespace segment {
class SparePool;
struct RegionDirectory;
}  // namespace segment

struct SegmentEngineOptions {
  FileSystem* file_system = nullptr;  // the engine's pointers outlive it
  Clock* clock = nullptr;
  const WallClock* wall_clock = WallClock::Real();
  Executor* background = nullptr;  // makes spare segments; null: none are made ahead
  EngineObserver* observer = EngineObserver::Nobody();
  std::string data_directory;  // exists
  std::string namespace_name;  // name of a directory, made if it is not there
  // The id is stored in every region, and compared with the stored one. The default namespace has
  // id 1.
  NamespaceId namespace_id = 1;
  // A source of unpredictable random numbers; null: the system's.
  std::function<uint64_t()> random;
  uint64_t spare_segment_bytes = uint64_t{64} << 20;
  size_t spare_segments = 1;
  // Whether the caller holds the lock of the namespace's directory. Then Open does not take it, and
  // does not refuse an unfinished restore.
  bool caller_holds_lock = false;
  // Both may be null, and otherwise outlive the engine. The quotas count the segment files of all
  // regions, open or not, and no spare files.
  const DiskSpace* disk = nullptr;
  DiskQuotas* quotas = nullptr;
  // Limits the memory of the indexes of regions, also of other engines that share the budget. Past
  // the limit indexes become coarser. May be null, and otherwise outlives the engine and its
  // readers.
  MemoryBudget* index_budget = nullptr;
};

class SegmentEngine final : public LogEngine {
 public:
  // FAILED_PRECONDITION: LOCKED if another process has the namespace open, WRONG_ENGINE if another
  // engine wrote it or a restore into it is not finished, WRONG_NAMESPACE if a region was written
  // under another namespace id or name. In these cases nothing was changed. After any other error
  // there is an engine: each call tries to open it again, and answers the error if that fails.
  static absl::StatusOr<std::unique_ptr<SegmentEngine>> Open(SegmentEngineOptions options);
  ~SegmentEngine() override;

  absl::string_view name() const override { return "segment"; }
  RecordOrder record_order() const override { return RecordOrder::kAppend; }
  EngineUsage Usage() const override;
  absl::StatusOr<std::vector<RegionId>> ListRegions() const override;
  void OpenRegion(RegionId region, const OpenRequest& request,
                  std::function<void(absl::StatusOr<std::unique_ptr<RegionLog>>)> done) override;
  void DropRegion(RegionId region, std::function<void(absl::StatusOr<bool>)> done) override;
  // Each region has numbers of its own, so a region that does not exist begins at 1.
  TablePosition PositionInAbsentRegion(TableId) const override { return {}; }
  absl::Status CheckFitsNewRegion(const RegionOptions& options,
                                  const AppendBatch& batch) const override;
  absl::Status VerifyClosedRegion(
      RegionId region, absl::FunctionRef<bool(const VerifyProgress&)> report) const override;

 private:
  absl::StatusOr<std::unique_ptr<RegionLog>> OpenRegionNow(RegionId region,
                                                           const RegionOptions& options,
                                                           bool create);
  absl::StatusOr<bool> DropRegionNow(RegionId region);
  explicit SegmentEngine(SegmentEngineOptions options);

  // Opens the namespace unless it is open: its directory exists, is locked and was checked.
  absl::Status EnsureOpen() const ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Start() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status RemoveLeftovers() const;
  void ReportLackOfRoom() const;
  absl::StatusOr<std::vector<RegionId>> RegionsThere() const;
  // DATA_LOSS if the region existed before and nobody dropped it.
  absl::StatusOr<bool> Exists(RegionId region) const ABSL_LOCKS_EXCLUDED(known_mutex_);
  void Know(RegionId region) const ABSL_LOCKS_EXCLUDED(known_mutex_);
  void Forget(RegionId region) ABSL_LOCKS_EXCLUDED(known_mutex_);
  absl::Status Create(RegionId region, const RegionOptions& options);
  absl::Status Build(RegionId region, const RegionOptions& options, const std::string& directory);
  absl::StatusOr<std::string> FreeName(absl::string_view prefix, RegionId region) const;
  absl::Status CountRegions() const;
  absl::Status CheckIdentity() const;
  segment::RegionDirectory Directory(RegionId region) const;

  const SegmentEngineOptions options_;
  const std::string directory_;
  const std::unique_ptr<DirectoryNames> names_;  // of the namespace's directory
  const std::unique_ptr<segment::SparePool> spares_;

  mutable std::atomic<bool> is_open_{false};
  mutable absl::Mutex mutex_;
  mutable std::unique_ptr<DirectoryLock> lock_ ABSL_GUARDED_BY(mutex_);
  // Regions that existed at some time since the namespace was opened and were not dropped.
  mutable absl::Mutex known_mutex_;
  mutable absl::btree_set<RegionId> known_ ABSL_GUARDED_BY(known_mutex_);
};

}  // namespace walden
