#include "engine/transfer/migration.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/transfer/free_space_check.h"
#include "engine/transfer/region_copy.h"
#include "engine/wait.h"

namespace walden {
namespace {

class Migration {
 public:
  Migration(const MigrationOptions& options,
            absl::FunctionRef<bool(const MigrationProgress&)> progress)
      : options_(options),
        files_(options.where.file_system),
        progress_(progress),
        name_(options.namespace_name),
        built_name_(absl::StrCat(name_, kMigratingSuffix)),
        old_name_(absl::StrCat(name_, kBeforeMigrationSuffix)) {}

  absl::StatusOr<MigrationResult> Run();

 private:
  std::string Path(const std::string& name) const {
    return absl::StrCat(options_.where.data_directory, "/", name);
  }
  absl::Status Refused(absl::StatusCode code, ErrorReason reason, absl::string_view message) const {
    return MakeError(code, reason, absl::StrCat(Path(name_), " ", message),
                     {{"directory", Path(name_)}});
  }

  absl::Status CheckStart(bool has_old);
  absl::Status Lock();
  absl::Status OpenEngines();
  absl::Status Measure();
  absl::Status CopyAll();
  absl::Status DropStrangers();
  absl::Status CopyOne(RegionId region);
  absl::StatusOr<bool> TryCopy(RegionId region);
  absl::Status Swap();
  absl::Status FinishSwap();

  const MigrationOptions& options_;
  FileSystem* const files_;
  absl::FunctionRef<bool(const MigrationProgress&)> progress_;
  const std::string name_;
  const std::string built_name_;
  const std::string old_name_;
  DirectoryOwner from_ = DirectoryOwner::kNone;
  // Held until the swap is done, after the engines are closed.
  std::unique_ptr<DirectoryLock> old_lock_;
  std::unique_ptr<DirectoryLock> new_lock_;
  std::unique_ptr<LogEngine> source_;
  std::unique_ptr<LogEngine> target_;
  std::vector<RegionId> regions_;
  MigrationProgress seen_;
  MigrationResult result_;
};

absl::StatusOr<MigrationResult> Migration::Run() {
  result_.old_directory = Path(old_name_);
  const auto names = files_->ListDirectory(options_.where.data_directory);
  if (!names.ok()) return names.status();
  const auto has = [&](const std::string& name) {
    return std::find(names->begin(), names->end(), name) != names->end();
  };
  if (!has(name_) && has(built_name_) && has(old_name_)) {
    result_.was_copied = true;
    absl::Status status = Lock();
    if (status.ok()) status = FinishSwap();
    if (!status.ok()) return status;
    return std::move(result_);
  }
  if (!has(name_)) {
    return Refused(absl::StatusCode::kNotFound, ErrorReason::kNotFound,
                   "is not there: there is nothing to migrate");
  }
  const auto stored = DetectDirectoryOwner(files_, Path(name_));
  if (!stored.ok()) return stored.status();
  from_ = *stored;
  if (has(old_name_) && !has(built_name_) &&
      (from_ == options_.to || from_ == DirectoryOwner::kNone)) {
    // The swap is done, but may not be durable.
    result_.was_copied = true;
    const absl::Status status = files_->SyncDirectory(options_.where.data_directory);
    if (!status.ok()) return status;
    return std::move(result_);
  }
  absl::Status status = CheckStart(has(old_name_));
  if (status.ok()) status = Lock();
  if (status.ok() && from_ == DirectoryOwner::kRocksdb) {
    status = CheckNamespaceIds(options_.where, name_);
  }
  if (status.ok()) status = OpenEngines();
  if (status.ok()) status = Measure();
  if (status.ok()) status = CopyAll();
  source_.reset();
  target_.reset();
  if (status.ok()) status = Swap();
  if (!status.ok()) return status;
  return std::move(result_);
}

absl::Status Migration::CheckStart(bool has_old) {
  if (from_ == DirectoryOwner::kNone) {
    return Refused(absl::StatusCode::kNotFound, ErrorReason::kNotFound,
                   absl::StrCat("holds no region: set `engine: ", DirectoryOwnerName(options_.to),
                                "` for the namespace, there is nothing to migrate"));
  }
  if (from_ == options_.to) {
    return Refused(absl::StatusCode::kFailedPrecondition, ErrorReason::kWrongEngine,
                   absl::StrCat("is of engine ", DirectoryOwnerName(from_), " already"));
  }
  if (!has_old) return absl::OkStatus();
  return Refused(absl::StatusCode::kFailedPrecondition, ErrorReason::kWrongEngine,
                 absl::StrCat("was migrated before, and what it was then is still in ",
                              Path(old_name_), ": remove that, or move it elsewhere"));
}

absl::Status Migration::Lock() {
  if (from_ != DirectoryOwner::kNone) {
    auto lock = files_->LockDirectory(Path(name_));
    if (!lock.ok()) {
      return WithContext(lock.status(), "stop the daemon first, a migration works offline");
    }
    old_lock_ = *std::move(lock);
    const absl::Status whole = CheckNotRestoring(files_, Path(name_));
    if (!whole.ok()) return whole;
  }
  absl::Status status = files_->CreateDirectory(Path(built_name_));
  if (status.ok()) status = files_->SyncDirectory(options_.where.data_directory);
  if (!status.ok()) return status;
  auto lock = files_->LockDirectory(Path(built_name_));
  if (!lock.ok()) return lock.status();
  new_lock_ = *std::move(lock);
  return absl::OkStatus();
}

absl::Status Migration::OpenEngines() {
  auto source = OpenOffline(options_.where, name_, from_, /*caller_holds_lock=*/true);
  if (!source.ok()) return source.status();
  source_ = *std::move(source);
  auto target = OpenOffline(options_.where, built_name_, options_.to, /*caller_holds_lock=*/true);
  if (!target.ok()) return target.status();
  target_ = *std::move(target);
  auto regions = source_->ListRegions();
  if (!regions.ok()) return regions.status();
  regions_ = *std::move(regions);
  return absl::OkStatus();
}

// Opens every region once, to find damage and a full disk before hours of copying.
absl::Status Migration::Measure() {
  uint64_t live_bytes = 0;
  uint64_t there_bytes = 0;
  for (const RegionId region : regions_) {
    auto log =
        OpenRegionAndWait(*source_, region,
                          {.recovery_policy = options_.skip_damaged ? RecoveryPolicy::kQuarantine
                                                                    : RecoveryPolicy::kRefuse},
                          /*create=*/false);
    if (!log.ok()) return log.status();
    live_bytes += (*log)->Summary().live_bytes;
    const absl::Status status = CloseAndWait(**log);
    if (!status.ok()) return status;
  }
  absl::Status status = DropStrangers();
  if (!status.ok()) return status;
  const auto begun = target_->ListRegions();
  if (!begun.ok()) return begun.status();
  for (const RegionId region : *begun) {
    auto log =
        OpenRegionAndWait(*target_, region, {.segment_size_bytes = options_.segment_size_bytes},
                          /*create=*/false);
    if (!log.ok()) return log.status();
    there_bytes += (*log)->Summary().allocated_bytes;
    status = CloseAndWait(**log);
    if (!status.ok()) return status;
  }
  seen_.total_regions = regions_.size();
  seen_.total_bytes = 3 * live_bytes;  // read once to copy, then on both sides to compare
  return CheckRoomForCopy(files_, options_.where.data_directory,
                          {.what = absl::StrCat("a second copy of ", Path(name_)),
                           .to = options_.to,
                           .regions = regions_.size(),
                           .live_bytes = live_bytes,
                           .there_bytes = there_bytes,
                           .segment_size_bytes = options_.segment_size_bytes});
}

// Drops regions that an earlier run copied and that the source dropped since.
absl::Status Migration::DropStrangers() {
  const auto begun = target_->ListRegions();
  if (!begun.ok()) return begun.status();
  for (const RegionId region : *begun) {
    if (std::binary_search(regions_.begin(), regions_.end(), region)) continue;
    const absl::Status status = DropRegionAndWait(*target_, region).status();
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Migration::CopyAll() {
  for (const RegionId region : regions_) {
    const absl::Status status = CopyOne(region);
    if (!status.ok()) return WithContext(status, absl::StrCat("region ", region));
    ++seen_.regions;
  }
  result_.regions = regions_.size();
  return absl::OkStatus();
}

absl::Status Migration::CopyOne(RegionId region) {
  absl::StatusOr<bool> copied = TryCopy(region);
  if (copied.ok() && !*copied) {
    // The region of an earlier run is no beginning of the source's present region.
    const absl::Status dropped = DropRegionAndWait(*target_, region).status();
    if (!dropped.ok()) return dropped;
    copied = TryCopy(region);
  }
  return copied.status();
}

// Copies a region; false if the target held something else before.
absl::StatusOr<bool> Migration::TryCopy(RegionId region) {
  auto source =
      OpenRegionAndWait(*source_, region,
                        {.recovery_policy = options_.skip_damaged ? RecoveryPolicy::kQuarantine
                                                                  : RecoveryPolicy::kRefuse},
                        /*create=*/false);
  if (!source.ok()) return source.status();
  auto target =
      OpenRegionAndWait(*target_, region, {.segment_size_bytes = options_.segment_size_bytes},
                        /*create=*/true);
  if (!target.ok()) return target.status();
  const bool begun = !(*target)->DescribePage({}, 1).description.tables.empty();
  const MigrationProgress before = seen_;
  const auto copied = CopyRegion(**source, **target, {.skip_damaged = options_.skip_damaged},
                                 [&](const RegionCopyProgress& of_region) {
                                   seen_.records = before.records + of_region.records;
                                   seen_.bytes = before.bytes + of_region.bytes;
                                   return progress_(seen_);
                                 });
  absl::Status status = copied.status();
  const bool differs =
      absl::IsFailedPrecondition(status) || absl::IsAborted(status) || absl::IsInternal(status);
  if (status.ok() || differs) {
    absl::Status closed = CloseAndWait(**target);
    if (closed.ok()) closed = CloseAndWait(**source);
    if (!closed.ok()) return closed;
  }
  if (differs && begun) {
    seen_ = before;
    return false;
  }
  if (!status.ok()) return status;
  result_.tables += copied->tables;
  result_.records += copied->records;
  result_.bytes += copied->bytes;
  result_.damaged.insert(result_.damaged.end(), copied->damaged.begin(), copied->damaged.end());
  return true;
}

absl::Status Migration::Swap() {
  absl::Status status = files_->SyncDirectory(Path(built_name_));
  if (status.ok()) status = files_->Rename(Path(name_), Path(old_name_));
  if (status.ok()) status = files_->SyncDirectory(options_.where.data_directory);
  return status.ok() ? FinishSwap() : status;
}

absl::Status Migration::FinishSwap() {
  const absl::Status status = files_->Rename(Path(built_name_), Path(name_));
  return status.ok() ? files_->SyncDirectory(options_.where.data_directory) : status;
}

}  // namespace

absl::StatusOr<MigrationResult> MigrateNamespace(
    const MigrationOptions& options, absl::FunctionRef<bool(const MigrationProgress&)> progress) {
  return Migration(options, progress).Run();
}

}  // namespace walden
