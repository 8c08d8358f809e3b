// The RocksDB engine: one namespace in one RocksDB (FORMAT.md). Any thread, as engine/log_engine.h
// says.
//
// If RocksDB cannot be opened, every call answers why, and each OpenRegion tries again. Damage that
// RocksDB finds only when it reads is DATA_LOSS to that read. RecoveryPolicy::kQuarantine does not
// open a damaged directory: RocksDB cannot serve the rest of it and know what is missing.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "base/executor.h"
#include "engine/io/disk_quota.h"
#include "engine/io/file_system.h"
#include "engine/log_engine.h"
#include "engine/observer.h"
#include "engine/rocksdb/options/tuning.h"

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace walden {

namespace rocks {
struct NamespaceState;
}  // namespace rocks

struct RocksdbEngineOptions {
  FileSystem* file_system = nullptr;  // the pointers outlive the engine and its readers
  Clock* clock = nullptr;
  const WallClock* wall_clock = WallClock::Real();
  EngineObserver* observer = EngineObserver::Nobody();
  Executor* background = nullptr;  // reclaims space; null: only a full disk starts that
  rocksdb::Env* env = nullptr;     // null: RocksDB's own; else one on top of `file_system`
  std::string data_directory;      // exists
  std::string namespace_name;      // name of a directory, made if it is not there
  NamespaceId namespace_id = 1;    // in every log key
  RocksdbTuning tuning;
  // Whether the caller holds the lock of the namespace's directory. Then Open does not take it, and
  // does not refuse an unfinished restore.
  bool caller_holds_lock = false;
  DiskQuotas* quotas = nullptr;  // null: no limit. Only the whole namespace's quota counts
};

class RocksdbEngine final : public LogEngine {
 public:
  // FAILED_PRECONDITION: LOCKED if another process has the namespace open, WRONG_ENGINE if another
  // engine wrote it or a restore into it is not finished. After every other error there is an
  // engine: each OpenRegion tries again, and calls answer the error until it succeeds.
  static absl::StatusOr<std::unique_ptr<RocksdbEngine>> Open(RocksdbEngineOptions options);
  ~RocksdbEngine() override;

  absl::string_view name() const override { return "rocksdb"; }
  RecordOrder record_order() const override { return RecordOrder::kTable; }
  EngineUsage Usage() const override;
  absl::StatusOr<std::vector<RegionId>> ListRegions() const override ABSL_LOCKS_EXCLUDED(mutex_);
  void OpenRegion(RegionId region, const OpenRequest& request,
                  std::function<void(absl::StatusOr<std::unique_ptr<RegionLog>>)> done) override
      ABSL_LOCKS_EXCLUDED(mutex_);
  void DropRegion(RegionId region, std::function<void(absl::StatusOr<bool>)> done) override
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status VerifyClosedRegion(
      RegionId region, absl::FunctionRef<bool(const VerifyProgress&)> report) const override
      ABSL_LOCKS_EXCLUDED(mutex_);

  absl::Status CountDiskUsage() override;
  TablePosition PositionInAbsentRegion(TableId table) const override;
  absl::Status CheckFitsNewRegion(const RegionOptions& options,
                                  const AppendBatch& batch) const override;
  void KeepHouse() override;

  // Keys that were read to find the namespace's tables when it was opened.
  uint64_t keys_read_at_opening() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Reclaims the space of everything marked deleted so far, in this thread.
  absl::Status ReclaimNow();

 private:
  absl::StatusOr<std::unique_ptr<RegionLog>> OpenRegionNow(RegionId region,
                                                           const RegionOptions& options,
                                                           bool create);
  absl::StatusOr<bool> DropRegionNow(RegionId region);
  explicit RocksdbEngine(RocksdbEngineOptions options);

  // Makes the directory if there is none, and locks it.
  absl::Status Enter() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Opens RocksDB if it is not open, and again if a write failed since.
  absl::Status EnsureOpen() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status LoadNumbers() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Create(RegionId region) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<bool> Exists(RegionId region) const ABSL_LOCKS_EXCLUDED(mutex_);
  // The region's tables with records or a mark. Their numbers count as used from then on.
  absl::StatusOr<std::set<TableId>> TablesOf(RegionId region) const;

  const RocksdbEngineOptions options_;
  const std::shared_ptr<rocks::NamespaceState> space_;

  mutable absl::Mutex mutex_;
  bool entered_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<DirectoryLock> lock_ ABSL_GUARDED_BY(mutex_);
  absl::Status opened_ ABSL_GUARDED_BY(mutex_);
  std::set<RegionId> regions_ ABSL_GUARDED_BY(mutex_);
  bool was_loaded_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t keys_read_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace walden
