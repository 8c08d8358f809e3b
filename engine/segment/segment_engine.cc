#include "engine/segment/segment_engine.h"

#include <algorithm>
#include <iterator>
#include <random>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/error.h"
#include "engine/common/directory_owner.h"
#include "engine/io/remove_tree.h"
#include "engine/log_errors.h"
#include "engine/segment/batch_room.h"
#include "engine/segment/format.h"
#include "engine/segment/metadata_file.h"
#include "engine/segment/record_writer.h"
#include "engine/segment/region_scan.h"
#include "engine/segment/segment_file.h"
#include "engine/segment/segment_log.h"
#include "engine/segment/spare_pool.h"

namespace walden {
namespace {

// A region appears and disappears as a whole: it is built under the first of these names and
// renamed, or renamed to the second and then removed. Directories that a crash leaves under them
// are removed at the next start.
constexpr absl::string_view kCreating = "creating_";
constexpr absl::string_view kDropping = "dropping_";

bool ParseRegionName(absl::string_view name, RegionId* region) {
  return absl::SimpleAtoi(name, region) && absl::StrCat(*region) == name;
}

SegmentEngineOptions WithRandom(SegmentEngineOptions options) {
  if (!options.random) {
    options.random = [] {
      std::random_device device;
      return (uint64_t{device()} << 32) | device();
    };
  }
  return options;
}

absl::Status CheckOptions(const RegionOptions& options) {
  const uint64_t bytes = options.segment_size_bytes;
  if (bytes >= segment::kMinSegmentBytes && bytes <= segment::kMaxSegmentBytes) {
    return absl::OkStatus();
  }
  return MakeError(absl::StatusCode::kInvalidArgument, ErrorReason::kLimitExceeded,
                   absl::StrCat("segment_size is ", bytes, " bytes; it must be between ",
                                segment::kMinSegmentBytes, " and ", segment::kMaxSegmentBytes),
                   {{"field", "segment_size"}, {"value", absl::StrCat(bytes)}});
}

absl::Status NoSuchRegion(RegionId region, const std::string& namespace_name) {
  return MakeError(absl::StatusCode::kNotFound, ErrorReason::kRegionNotFound,
                   absl::StrCat("there is no region ", region, " in namespace ", namespace_name),
                   {{"field", "region_id"}, {"value", absl::StrCat(region)}});
}

}  // namespace

SegmentEngine::SegmentEngine(SegmentEngineOptions options)
    : options_(WithRandom(std::move(options))),
      directory_(absl::StrCat(options_.data_directory, "/", options_.namespace_name)),
      names_(std::make_unique<DirectoryNames>(options_.file_system, directory_)),
      spares_(std::make_unique<segment::SparePool>(
          options_.file_system, options_.clock, absl::StrCat(directory_, "/spare"),
          options_.spare_segment_bytes, options_.spare_segments, options_.background, options_.disk,
          options_.observer)) {}

SegmentEngine::~SegmentEngine() = default;

absl::StatusOr<std::unique_ptr<SegmentEngine>> SegmentEngine::Open(SegmentEngineOptions options) {
  std::unique_ptr<SegmentEngine> engine(new SegmentEngine(std::move(options)));
  // After any other error the engine exists: each call tries again, and answers the error until
  // opening succeeds.
  const absl::Status status = engine->EnsureOpen();
  if (absl::IsFailedPrecondition(status)) return status;
  return engine;
}

absl::Status SegmentEngine::EnsureOpen() const {
  // If the namespace's volume is gone, its regions are missing: they must not look as if they never
  // existed.
  const auto in_place = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {  // it stays once it is open
    return lock_ == nullptr ? absl::OkStatus() : lock_->CheckInPlace();
  };
  if (is_open_.load(std::memory_order_acquire)) return in_place();
  absl::MutexLock lock(&mutex_);
  if (is_open_.load(std::memory_order_relaxed)) return in_place();
  const absl::Status status = Start();
  // Errors that Open returns name the directory, and the caller adds the namespace.
  if (absl::IsFailedPrecondition(status)) return status;
  if (!status.ok()) {
    return WithContext(status, absl::StrCat("namespace ", options_.namespace_name));
  }
  is_open_.store(true, std::memory_order_release);
  return status;
}

absl::Status SegmentEngine::Start() const {
  FileSystem* const files = options_.file_system;
  absl::Status status = CheckDirectoryOwner(files, options_.data_directory, options_.namespace_name,
                                            DirectoryOwner::kSegment);
  if (status.ok()) status = files->CreateDirectory(directory_);
  if (status.ok()) status = files->SyncDirectory(options_.data_directory);
  if (!status.ok()) return status;
  if (!options_.caller_holds_lock) {
    if (lock_ == nullptr) {
      auto lock = files->LockDirectory(directory_);
      if (!lock.ok()) return lock.status();
      lock_ = *std::move(lock);
    }
    status = CheckNotRestoring(files, directory_);
  }
  if (status.ok()) status = CheckIdentity();
  // The last rename of a killed process may not be durable. A power cut may undo the drop of a
  // region, so its files must not be removed before the rename is durable.
  if (status.ok()) status = names_->MakeDurable();
  if (status.ok()) status = RemoveLeftovers();
  if (status.ok() && options_.quotas != nullptr) status = CountRegions();
  if (!status.ok()) return status;
  ReportLackOfRoom();
  spares_->Start();
  return absl::OkStatus();
}

absl::Status SegmentEngine::RemoveLeftovers() const {
  const auto names = options_.file_system->ListDirectory(directory_);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    if (!absl::StartsWith(name, kCreating) && !absl::StartsWith(name, kDropping)) continue;
    const absl::Status removed =
        RemoveTree(options_.file_system, absl::StrCat(directory_, "/", name));
    if (removed.ok()) continue;
    options_.observer->OnProblem(WithContext(
        removed, absl::StrCat("what is left of a region that was ",
                              absl::StartsWith(name, kCreating) ? "not finished" : "dropped",
                              " takes disk for nothing")));
  }
  return absl::OkStatus();
}

void SegmentEngine::ReportLackOfRoom() const {
  if (options_.disk == nullptr) return;
  const absl::Status room =
      options_.disk->CheckAllocation(directory_, options_.spare_segment_bytes);
  if (room.ok()) return;
  options_.observer->OnProblem(
      WithContext(room, absl::StrCat("namespace ", options_.namespace_name,
                                     " takes no new region and no new segment (segment_size ",
                                     options_.spare_segment_bytes, " bytes)")));
}

// Checks that the regions belong to this namespace. Passes over a region whose identity cannot be
// read: opening it reports the error.
absl::Status SegmentEngine::CheckIdentity() const {
  const absl::StatusOr<std::vector<RegionId>> regions = RegionsThere();
  if (!regions.ok()) return regions.status();
  for (const RegionId region : *regions) {
    Know(region);
    const segment::RegionDirectory directory = Directory(region);
    const auto file = options_.file_system->OpenFile(
        absl::StrCat(directory.path, "/", segment::kMetadataFileName),
        FileSystem::OpenMode::kReadOnly);
    if (!file.ok()) continue;
    const auto found = segment::ReadMetadataIdentity(**file);
    if (!found.ok() || !found->has_value()) continue;
    if ((*found)->namespace_id != directory.identity->namespace_id ||
        (*found)->namespace_name != directory.identity->namespace_name) {
      return segment::WrongNamespace(directory_, **found, *directory.identity);
    }
  }
  return absl::OkStatus();
}

// Counts the bytes of all regions before they are opened, also of those that cannot be opened.
absl::Status SegmentEngine::CountRegions() const {
  const absl::StatusOr<std::vector<RegionId>> regions = RegionsThere();
  if (!regions.ok()) return regions.status();
  FileSystem* const files = options_.file_system;
  for (const RegionId region : *regions) {
    const std::string path = Directory(region).path;
    const auto names = files->ListDirectory(path);
    // Opening the region reports the error.
    if (!names.ok()) continue;
    uint64_t bytes = 0;
    for (const std::string& name : *names) {
      uint64_t id = 0;
      if (!segment::ParseSegmentFileName(name, &id)) continue;
      // A file without a size was removed meanwhile.
      bytes += files->FileSize(absl::StrCat(path, "/", name)).value_or(0);
    }
    options_.quotas->OfRegion(region).SetUsed(bytes);
  }
  return absl::OkStatus();
}

segment::RegionDirectory SegmentEngine::Directory(RegionId region) const {
  // A namespace that `walden migrate` is building is stored under its final name.
  const absl::string_view name = absl::StripSuffix(options_.namespace_name, kMigratingSuffix);
  return {.path = absl::StrCat(directory_, "/", region),
          .shown_path = absl::StrCat(options_.namespace_name, "/", region),
          .identity = segment::MetadataIdentity{.namespace_id = options_.namespace_id,
                                                .namespace_name = std::string(name),
                                                .region = region},
          .max_index_bytes =
              options_.index_budget == nullptr ? UINT64_MAX : options_.index_budget->limit()};
}

EngineUsage SegmentEngine::Usage() const { return {.spare_segments = spares_->ready()}; }

absl::StatusOr<std::vector<RegionId>> SegmentEngine::ListRegions() const {
  const absl::Status status = EnsureOpen();
  auto regions = status.ok() ? RegionsThere() : status;
  if (!regions.ok()) return regions;
  absl::MutexLock lock(&known_mutex_);
  std::vector<RegionId> all;
  std::set_union(regions->begin(), regions->end(), known_.begin(), known_.end(),
                 std::back_inserter(all));
  return all;
}

absl::StatusOr<std::vector<RegionId>> SegmentEngine::RegionsThere() const {
  const auto names = options_.file_system->ListDirectory(directory_);
  if (!names.ok()) return names.status();
  std::vector<RegionId> regions;
  for (const std::string& name : *names) {
    RegionId region = 0;
    if (ParseRegionName(name, &region)) regions.push_back(region);
  }
  std::sort(regions.begin(), regions.end());
  return regions;
}

absl::StatusOr<bool> SegmentEngine::Exists(RegionId region) const {
  const auto names = options_.file_system->ListDirectory(Directory(region).path);
  if (names.ok()) {
    Know(region);
    return true;
  }
  if (!absl::IsNotFound(names.status())) return names.status();
  // If the namespace's directory is gone too, it is not known whether the region existed.
  const auto regions = options_.file_system->ListDirectory(directory_);
  if (!regions.ok()) return MissingFile(regions.status());
  absl::MutexLock lock(&known_mutex_);
  if (!known_.contains(region)) return false;
  const std::string shown = Directory(region).shown_path;
  return MakeError(absl::StatusCode::kDataLoss, ErrorReason::kCorruption,
                   absl::StrCat(shown,
                                ": the region's directory is gone, and nobody dropped the "
                                "region; restore the directory, or drop the region"),
                   {{"file", shown}, {"offset", "0"}});
}

void SegmentEngine::Know(RegionId region) const {
  absl::MutexLock lock(&known_mutex_);
  known_.insert(region);
}

void SegmentEngine::Forget(RegionId region) {
  absl::MutexLock lock(&known_mutex_);
  known_.erase(region);
}

void SegmentEngine::OpenRegion(
    RegionId region, const OpenRequest& request,
    std::function<void(absl::StatusOr<std::unique_ptr<RegionLog>>)> done) {
  done(OpenRegionNow(region, request.options, request.create));
}

absl::StatusOr<std::unique_ptr<RegionLog>> SegmentEngine::OpenRegionNow(
    RegionId region, const RegionOptions& options, bool create) {
  absl::Status status = CheckOptions(options);
  if (status.ok()) status = EnsureOpen();
  // A region that an earlier call renamed into place is there but may not be durable.
  if (status.ok()) status = names_->MakeDurable();
  if (!status.ok()) return MissingFile(status);
  const absl::StatusOr<bool> exists = Exists(region);
  if (!exists.ok()) return exists.status();
  if (!*exists && !create) {
    return NoSuchRegion(region, options_.namespace_name);
  }
  DiskQuota* const quota =
      options_.quotas == nullptr ? nullptr : &options_.quotas->OfRegion(region);
  if (!*exists) {
    if (quota != nullptr) status = quota->Take(options.segment_size_bytes);
    if (!status.ok()) return status;
    status = MissingFile(Create(region, options));
    if (!status.ok() && quota != nullptr) quota->GiveBack(options.segment_size_bytes);
    if (!status.ok()) return status;
  }
  auto log = segment::SegmentLog::Open({.file_system = options_.file_system,
                                        .clock = options_.clock,
                                        .wall_clock = options_.wall_clock,
                                        .spares = spares_.get(),
                                        .observer = options_.observer,
                                        .quota = quota,
                                        .index_budget = options_.index_budget,
                                        .directory = Directory(region),
                                        .options = options,
                                        .random = options_.random});
  if (!log.ok()) return MissingFile(log.status());
  return std::unique_ptr<RegionLog>(*std::move(log));
}

absl::Status SegmentEngine::CheckFitsNewRegion(const RegionOptions& options,
                                               const AppendBatch& batch) const {
  return segment::CheckBatchFits(segment::EncodedBatchBytes(batch),
                                 segment::LargestFirstSegmentRoom(options.segment_size_bytes));
}

absl::StatusOr<std::string> SegmentEngine::FreeName(absl::string_view prefix,
                                                    RegionId region) const {
  FileSystem* const files = options_.file_system;
  const auto names = files->ListDirectory(directory_);
  if (!names.ok()) return names.status();
  std::string name = absl::StrCat(prefix, region);
  for (int attempt = 1; absl::c_linear_search(*names, name); ++attempt) {
    // A directory that cannot be removed was reported, and keeps its name.
    if (RemoveTree(files, absl::StrCat(directory_, "/", name)).ok()) break;
    name = absl::StrCat(prefix, region, "_", attempt);
  }
  return absl::StrCat(directory_, "/", name);
}

absl::Status SegmentEngine::Create(RegionId region, const RegionOptions& options) {
  FileSystem* const files = options_.file_system;
  const absl::StatusOr<std::string> building = FreeName(kCreating, region);
  if (!building.ok()) return building.status();
  absl::Status status = Build(region, options, *building);
  if (status.ok()) {
    status = names_->Change([&] { return files->Rename(*building, Directory(region).path); });
  }
  if (status.ok()) Know(region);
  if (status.ok()) return names_->MakeDurable();
  // Best effort: the next start removes the directory.
  (void)RemoveTree(files, *building);
  return status;
}

absl::Status SegmentEngine::Build(RegionId region, const RegionOptions& options,
                                  const std::string& directory) {
  using segment::MetadataEntry;
  FileSystem* const files = options_.file_system;
  absl::Status status = files->CreateDirectory(directory);
  const segment::MetadataIdentity identity = *Directory(region).identity;
  segment::SegmentHeader header{.salt = options_.random(),
                                .namespace_id = identity.namespace_id,
                                .region = identity.region,
                                .bytes = options.segment_size_bytes};
  if (status.ok()) {
    status = spares_->Take(header, absl::StrCat(directory, "/", segment::SegmentFileName(0)));
  }
  if (!status.ok()) return status;
  const auto metadata = segment::MetadataFile::Create(
      files, directory, identity,
      {MetadataEntry::SegmentCreated(1, header), MetadataEntry::Closed(0, header.first_end(), 1)});
  return metadata.ok() ? files->SyncDirectory(directory) : metadata.status();
}

void SegmentEngine::DropRegion(RegionId region, std::function<void(absl::StatusOr<bool>)> done) {
  done(DropRegionNow(region));
}

absl::StatusOr<bool> SegmentEngine::DropRegionNow(RegionId region) {
  absl::Status status = EnsureOpen();
  // The absence of a region must be durable before the call reports it.
  if (status.ok()) status = names_->MakeDurable();
  if (!status.ok()) return MissingFile(status);
  const absl::StatusOr<bool> exists = Exists(region);
  if (absl::IsDataLoss(exists.status())) {
    Forget(region);  // the directory is gone: there is nothing to remove
    return true;
  }
  if (!exists.ok() || !*exists) return exists;
  FileSystem* const files = options_.file_system;
  const absl::StatusOr<std::string> dropping = FreeName(kDropping, region);
  if (!dropping.ok()) return dropping.status();
  status = names_->Change([&] { return files->Rename(Directory(region).path, *dropping); });
  if (status.ok()) Forget(region);
  if (status.ok()) status = names_->MakeDurable();
  if (!status.ok()) return status;
  if (options_.quotas != nullptr) options_.quotas->OfRegion(region).SetUsed(0);
  // The region is dropped even if files of it remain.
  const absl::Status removed = RemoveTree(files, *dropping);
  if (!removed.ok()) {
    options_.observer->OnProblem(WithContext(
        removed,
        absl::StrCat("what is left of dropped region ", region, " takes disk for nothing")));
  }
  return true;
}

absl::Status SegmentEngine::VerifyClosedRegion(
    RegionId region, absl::FunctionRef<bool(const VerifyProgress&)> report) const {
  const absl::Status status = EnsureOpen();
  if (!status.ok()) return status;
  const absl::StatusOr<bool> exists = Exists(region);
  if (!exists.ok()) return exists.status();
  if (!*exists) return NoSuchRegion(region, options_.namespace_name);
  segment::RegionDirectory directory = Directory(region);
  directory.mode = FileSystem::OpenMode::kReadFromMedium;
  VerifyProgress progress;
  const auto scan =
      segment::ScanRegion(options_.file_system, directory, [&](uint64_t done, uint64_t total) {
        progress.bytes_checked = done;
        progress.bytes_total = total;
        return report(progress);
      });
  if (absl::IsCancelled(scan.status())) return absl::OkStatus();  // `report` stopped it
  if (!scan.ok()) return scan.status();
  progress.findings = scan->Damaged(directory);
  progress.bytes_checked = progress.bytes_total = scan->bytes;
  progress.records_checked = scan->records;
  report(progress);
  return absl::OkStatus();
}

}  // namespace walden
