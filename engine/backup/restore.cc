#include "engine/backup/restore.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/backup/checked_json.h"
#include "engine/backup/directory.h"
#include "engine/backup/region_reader.h"
#include "engine/backup/verify.h"
#include "engine/transfer/free_space_check.h"
#include "engine/transfer/region_copy.h"
#include "engine/wait.h"

namespace walden::backup {
namespace {

constexpr absl::string_view kRestoringFormat = "walden-restoring";

class Restore {
 public:
  Restore(const RestoreOptions& options, absl::FunctionRef<bool(const RestoreProgress&)> progress)
      : options_(options),
        files_(options.where.file_system),
        progress_(progress),
        directory_(absl::StrCat(options.where.data_directory, "/", options.namespace_name)) {}

  absl::StatusOr<std::vector<RestoredRegion>> Run();

 private:
  absl::Status OpenBackup();
  absl::Status Verify(RegionId region);
  absl::Status OpenTarget();
  absl::Status ReadMarker();
  absl::Status PrepareRegions();
  absl::Status CheckRoom();
  absl::Status WriteMarker();
  absl::Status CheckRestored(const RegionReader& source);
  absl::Status CopyOne(const RegionReader& source);
  absl::Status TryCopy(const RegionReader& source);
  void AddResult(const RegionReader& source, RegionCopyResult copied);
  absl::Status Finish();
  RegionOptions Options() const { return {.segment_size_bytes = options_.segment_size_bytes}; }

  const RestoreOptions& options_;
  FileSystem* const files_;
  absl::FunctionRef<bool(const RestoreProgress&)> progress_;
  const std::string directory_;
  std::unique_ptr<DirectoryLock> backup_lock_;
  std::unique_ptr<DirectoryLock> lock_;
  std::map<RegionId, std::unique_ptr<RegionReader>> sources_;
  std::map<RegionId, uint32_t> begun_;  // by an earlier run: the manifest's checksum
  std::set<RegionId> done_;             // by an earlier run that came to its end
  std::unique_ptr<LogEngine> engine_;   // closed before the locks
  RestoreProgress seen_;
  std::vector<RestoredRegion> result_;
};

absl::StatusOr<std::vector<RestoredRegion>> Restore::Run() {
  absl::Status status = OpenBackup();
  if (status.ok()) status = OpenTarget();
  if (status.ok()) status = PrepareRegions();
  if (status.ok()) status = CheckRoom();
  const bool all_done = done_.size() == sources_.size();
  if (status.ok() && !all_done) status = WriteMarker();
  for (const auto& [region, source] : sources_) {
    if (!status.ok()) break;
    if (done_.contains(region)) continue;
    status = WithContext(CopyOne(*source), absl::StrCat("region ", region));
  }
  engine_ = nullptr;
  if (status.ok() && !all_done) status = Finish();
  if (!status.ok()) return status;
  return std::move(result_);
}

absl::Status Restore::OpenBackup() {
  const auto contents = ListBackup(files_, options_.backup_directory);
  if (!contents.ok()) return contents.status();
  auto lock = LockForReading(files_, options_.backup_directory);
  if (!lock.ok()) return lock.status();
  backup_lock_ = *std::move(lock);
  std::vector<RegionId> regions = options_.regions;
  if (regions.empty()) {
    regions = contents->regions;
    regions.insert(regions.end(), contents->unfinished.begin(), contents->unfinished.end());
  }
  for (const RegionId region : regions) {
    auto source = RegionReader::Open(files_, options_.backup_directory, region);
    if (absl::IsNotFound(source.status())) {
      return MakeError(
          absl::StatusCode::kNotFound, ErrorReason::kNotFound,
          absl::StrCat(options_.backup_directory, " has no finished copy of region ", region,
                       ": run `walden backup` again to finish it, or name the regions "
                       "to restore with --region"),
          {{"field", "region_id"}, {"value", absl::StrCat(region)}});
    }
    if (!source.ok()) return source.status();
    seen_.total_bytes += 4 * (*source)->live_bytes();
    sources_[region] = *std::move(source);
  }
  for (const auto& [region, source] : sources_) {
    const absl::Status status = Verify(region);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Restore::Verify(RegionId region) {
  const auto verified =
      VerifyRegion(files_, options_.backup_directory, region, [&](uint64_t bytes) {
        seen_.bytes += bytes;
        return progress_(seen_);
      });
  if (!verified.ok()) return verified.status();
  if (verified->findings.empty()) return absl::OkStatus();
  const DamagedRange& first = verified->findings.front();
  return MakeError(
      absl::StatusCode::kDataLoss, ErrorReason::kCorruption,
      absl::StrCat("the backup is damaged, nothing was restored: ", options_.backup_directory, "/",
                   first.file, ", bytes [", first.offset, ", ", first.offset + first.length,
                   "): ", first.reason, ". `walden verify-backup` lists all of it"),
      {{"file", first.file}, {"offset", absl::StrCat(first.offset)}});
}

absl::Status Restore::OpenTarget() {
  const std::string& name = options_.namespace_name;
  absl::Status status =
      CheckDirectoryOwner(files_, options_.where.data_directory, name, options_.engine);
  if (status.ok()) status = files_->CreateDirectory(directory_);
  if (status.ok()) status = files_->SyncDirectory(options_.where.data_directory);
  if (!status.ok()) return status;
  auto lock = files_->LockDirectory(directory_);
  if (!lock.ok()) {
    return WithContext(lock.status(), "stop the daemon first, a restore works offline");
  }
  lock_ = *std::move(lock);
  status = ReadMarker();
  if (!status.ok()) return status;
  const auto stored = DetectDirectoryOwner(files_, directory_);
  if (!stored.ok()) return stored.status();
  if (*stored == DirectoryOwner::kRocksdb) {
    status = CheckNamespaceIds(options_.where, name);
    if (!status.ok()) return status;
  }
  auto opened = OpenOffline(options_.where, name, options_.engine, /*caller_holds_lock=*/true);
  if (!opened.ok()) return opened.status();
  engine_ = *std::move(opened);
  return absl::OkStatus();
}

absl::Status Restore::ReadMarker() {
  const std::string path = absl::StrCat(directory_, "/", kRestoringFile);
  const auto read = ReadCheckedJson(files_, path, kRestoringFormat);
  if (absl::IsNotFound(read.status())) return absl::OkStatus();
  if (!read.ok()) return read.status();
  JsonMembers members(path);
  const std::string from = members.Text(read->object, "backup");
  for (const Json& item : members.Array(read->object, "regions")) {
    uint32_t crc = 0;
    if (!ParseCrcText(members.Text(item, "manifest_crc32c"), &crc)) {
      members.Refuse("member \"manifest_crc32c\" is not a checksum");
    }
    const RegionId region = members.Number(item, "region_id");
    begun_[region] = crc;
    if (!members.status().ok()) break;
    if (sources_.contains(region)) continue;
    return MakeError(absl::StatusCode::kFailedPrecondition, ErrorReason::kRestoreOutOfOrder,
                     absl::StrCat("an unfinished restore of region ", region, " from ", from,
                                  " comes first: run that again"),
                     {{"field", "region_id"}, {"value", absl::StrCat(region)}});
  }
  return members.status();
}

// Touches no existing region but those that an earlier run of this restore began. A region that
// exists and holds the backup's records was restored by a run whose result was lost.
absl::Status Restore::PrepareRegions() {
  const auto there = engine_->ListRegions();
  if (!there.ok()) return there.status();
  const auto exists = [&](RegionId region) {
    return std::binary_search(there->begin(), there->end(), region);
  };
  for (const auto& [region, source] : sources_) {
    if (!exists(region) || begun_.contains(region)) continue;
    const absl::Status status = CheckRestored(*source);
    if (!status.ok()) return status;
    done_.insert(region);
  }
  for (const auto& [region, crc] : begun_) {
    if (!exists(region) || sources_.at(region)->manifest().crc == crc) continue;
    const absl::Status status = DropRegionAndWait(*engine_, region).status();
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Restore::CheckRestored(const RegionReader& source) {
  const RegionId region = source.manifest().region;
  auto target = OpenRegionAndWait(*engine_, region, Options(), /*create=*/false);
  if (!target.ok()) return target.status();
  const RestoreProgress before = seen_;
  auto compared = CompareRegion(source, **target, [&](const RegionCopyProgress& read) {
    seen_.bytes = before.bytes + read.bytes;
    return progress_(seen_);
  });
  const absl::Status closed = CloseAndWait(**target);
  if (absl::IsFailedPrecondition(compared.status()) || absl::IsInternal(compared.status())) {
    return MakeError(absl::StatusCode::kFailedPrecondition, ErrorReason::kRestoreOutOfOrder,
                     absl::StrCat("region ", region, " exists in ", directory_,
                                  " already, and is left as it is: it does not hold what the "
                                  "backup holds (",
                                  compared.status().message(),
                                  "). Restore into another data directory or namespace, or drop "
                                  "the region first"),
                     {{"field", "region_id"}, {"value", absl::StrCat(region)}});
  }
  if (!compared.ok()) return compared.status();
  if (!closed.ok()) return closed;
  AddResult(source, *std::move(compared));
  return absl::OkStatus();
}

void Restore::AddResult(const RegionReader& source, RegionCopyResult copied) {
  const Manifest& manifest = source.manifest();
  result_.push_back({.region = manifest.region,
                     .taken_at = manifest.taken_at,
                     .exact = manifest.exact,
                     .tables = copied.tables,
                     .records = copied.records,
                     .bytes = copied.bytes,
                     .restored_records = copied.copied_records,
                     .damaged = std::move(copied.damaged)});
}

absl::Status Restore::CheckRoom() {
  CopySize size{.what = absl::StrCat("restoring ", options_.backup_directory, " into ", directory_),
                .to = options_.engine,
                .regions = sources_.size() - done_.size(),
                .segment_size_bytes = options_.segment_size_bytes};
  for (const auto& [region, source] : sources_) {
    if (!done_.contains(region)) size.live_bytes += source->live_bytes();
  }
  const auto there = engine_->ListRegions();
  if (!there.ok()) return there.status();
  for (const RegionId region : *there) {
    if (!sources_.contains(region) || done_.contains(region)) continue;
    auto log = OpenRegionAndWait(*engine_, region, Options(), /*create=*/false);
    if (!log.ok()) return log.status();
    size.there_bytes += (*log)->Summary().allocated_bytes;
    const absl::Status status = CloseAndWait(**log);
    if (!status.ok()) return status;
  }
  return CheckRoomForCopy(files_, options_.where.data_directory, size);
}

absl::Status Restore::WriteMarker() {
  std::string text = absl::StrCat(
      "{\n \"format\": \"", kRestoringFormat, "\",\n \"version\": 1,\n \"backup\": ",
      Json(options_.backup_directory).dump(-1, ' ', false, Json::error_handler_t::replace),
      ",\n \"regions\": [");
  const char* separator = "\n  ";
  for (const auto& [region, source] : sources_) {
    if (done_.contains(region)) continue;
    absl::StrAppend(&text, separator, "{\"region_id\":", region, ",\"manifest_crc32c\":\"",
                    CrcText(source->manifest().crc), "\"}");
    separator = ",\n  ";
  }
  absl::StrAppend(&text, "]");
  return WriteCheckedJson(files_, directory_, kRestoringFile, std::move(text));
}

absl::Status Restore::CopyOne(const RegionReader& source) {
  const RestoreProgress before = seen_;
  absl::Status copied = TryCopy(source);
  const bool differs =
      absl::IsFailedPrecondition(copied) || absl::IsAborted(copied) || absl::IsInternal(copied);
  if (!differs || !begun_.contains(source.manifest().region)) return copied;
  // The region of an earlier run is dropped and begun anew: a crash between two writes may have
  // used up numbers that its records need.
  const absl::Status dropped = DropRegionAndWait(*engine_, source.manifest().region).status();
  if (!dropped.ok()) return dropped;
  seen_ = before;
  return TryCopy(source);
}

absl::Status Restore::TryCopy(const RegionReader& source) {
  const Manifest& manifest = source.manifest();
  auto target = OpenRegionAndWait(*engine_, manifest.region, Options(), /*create=*/true);
  if (!target.ok()) return target.status();
  const RestoreProgress before = seen_;
  auto copied =
      CopyRegion(source, **target, {.skip_damaged = false}, [&](const RegionCopyProgress& copy) {
        seen_.records = before.records + copy.records;
        seen_.bytes = before.bytes + copy.bytes;
        return progress_(seen_);
      });
  const absl::Status closed = CloseAndWait(**target);
  if (!copied.ok()) return copied.status();
  if (!closed.ok()) return closed;
  AddResult(source, *std::move(copied));
  return absl::OkStatus();
}

absl::Status Restore::Finish() {
  absl::Status status = files_->SyncDirectory(directory_);
  if (status.ok()) status = files_->RemoveFile(absl::StrCat(directory_, "/", kRestoringFile));
  return status.ok() ? files_->SyncDirectory(directory_) : status;
}

}  // namespace

absl::StatusOr<std::vector<RestoredRegion>> RestoreBackup(
    const RestoreOptions& options, absl::FunctionRef<bool(const RestoreProgress&)> progress) {
  return Restore(options, progress).Run();
}

}  // namespace walden::backup
