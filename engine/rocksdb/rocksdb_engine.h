// The RocksDB engine: one namespace in one RocksDB (FORMAT.md). Any thread, as engine/log_engine.h
// says.
//
// A namespace whose RocksDB cannot be opened is an engine whose every call says why; it tries again
// at each OpenRegion. Damage that RocksDB finds only when it reads answers DATA_LOSS there.
// RecoveryPolicy::kQuarantine does not make a damaged directory open: RocksDB has no way to serve
// the rest of one and to know what it lacks.
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
  FileSystem* file_system = nullptr;  // all that are given outlive the engine and its readers
  Clock* clock = nullptr;
  const WallClock* wall_clock = WallClock::Real();
  EngineObserver* observer = EngineObserver::Nobody();
  Executor* background = nullptr;  // takes back space; null: only a full disk makes that happen
  rocksdb::Env* env = nullptr;     // null: RocksDB's own; else one on top of `file_system`
  std::string data_directory;      // exists
  std::string namespace_name;      // name of a directory, made if it is not there
  NamespaceId namespace_id = 1;    // in every log key
  RocksdbTuning tuning;
  // Of the namespace's directory; then Open does not take it, nor refuses an unfinished restore.
  bool caller_holds_lock = false;
  DiskQuotas* quotas = nullptr;  // null: none; of the namespace as a whole
};

class RocksdbEngine final : public LogEngine {
 public:
  // FAILED_PRECONDITION: LOCKED if another process has the namespace open, WRONG_ENGINE if
  // another engine wrote it or a restore into it is not finished. Every other error is what each
  // call answers, until a later one finds it gone.
  static absl::StatusOr<std::unique_ptr<RocksdbEngine>> Open(RocksdbEngineOptions options);
  ~RocksdbEngine() override;

  absl::string_view name() const override { return "rocksdb"; }
  EngineUsage Usage() const override;
  absl::StatusOr<std::vector<RegionId>> ListRegions() const override ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<std::unique_ptr<RegionLog>> OpenRegion(RegionId region,
                                                        const RegionOptions& options,
                                                        bool create) override
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<bool> DropRegion(RegionId region) override ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status VerifyClosedRegion(
      RegionId region, absl::FunctionRef<bool(const VerifyProgress&)> report) const override
      ABSL_LOCKS_EXCLUDED(mutex_);

  absl::Status CountDiskUsage() override;
  TablePosition PositionInAbsentRegion(TableId table) const override;
  absl::Status CheckFitsNewRegion(const RegionOptions& options,
                                  const AppendBatch& batch) const override;
  void KeepHouse() override;

  // Keys that finding the namespace's tables read when it was opened.
  uint64_t keys_read_at_opening() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Takes back the space of everything marked deleted so far, now.
  absl::Status ReclaimNow();

 private:
  explicit RocksdbEngine(RocksdbEngineOptions options);

  // Makes the directory if it is not there, and locks it.
  absl::Status Enter() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Opens RocksDB if it is not open, and again if a write failed since.
  absl::Status EnsureOpen() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status LoadNumbers() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Create(RegionId region) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<bool> Exists(RegionId region) const ABSL_LOCKS_EXCLUDED(mutex_);
  // Tables with records or a mark. Their numbers count as used from then on.
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
