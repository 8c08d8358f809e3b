#include "engine/segment/spare_pool.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/error.h"

namespace walden::segment {
namespace {

constexpr uint64_t kFillStepBytes = 1 << 20;

// At higher rates of use spares are not filled with zeros: filling would cost the log more
// bandwidth of the disk than it gains.
constexpr double kFillBelowBytesPerSecond = 256e6;

constexpr absl::string_view kSparePrefix = "spare_";

std::string DirectoryOf(const std::string& path) { return path.substr(0, path.rfind('/')); }

}  // namespace

SparePool::SparePool(FileSystem* file_system, Clock* clock, std::string directory,
                     uint64_t spare_bytes, size_t spare_count, Executor* background,
                     const DiskSpace* disk, EngineObserver* observer)
    : file_system_(file_system),
      clock_(clock),
      directory_(std::move(directory)),
      spare_bytes_(spare_bytes),
      spare_count_(background == nullptr ? 0 : spare_count),
      background_(background),
      disk_(disk),
      observer_(observer),
      last_take_(-absl::InfiniteDuration()) {}

SparePool::~SparePool() {
  absl::MutexLock lock(&mutex_);
  stopping_ = true;
  mutex_.Await(absl::Condition(
      +[](bool* refilling) { return !*refilling; }, &refilling_));
}

void SparePool::Start() {
  const absl::Status prepared = Prepare();
  if (!prepared.ok()) {
    observer_->OnProblem(
        WithContext(prepared, "segments are made when they are needed, not ahead"));
  }
  StartRefill();
}

absl::Status SparePool::Prepare() {
  const absl::Status made = file_system_->CreateDirectory(directory_);
  if (!made.ok()) return made;
  const auto names = file_system_->ListDirectory(directory_);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    const absl::Status removed = file_system_->RemoveFile(absl::StrCat(directory_, "/", name));
    if (removed.ok() || absl::IsNotFound(removed)) continue;
    observer_->OnProblem(
        WithContext(removed, "what an earlier process left takes disk for nothing"));
    absl::string_view digits = name;
    uint64_t number = 0;
    if (!absl::ConsumePrefix(&digits, kSparePrefix) || !absl::SimpleAtoi(digits, &number)) continue;
    absl::MutexLock lock(&mutex_);
    made_ = std::max(made_, number + 1);
  }
  return absl::OkStatus();
}

absl::Status SparePool::Take(SegmentHeader& header, const std::string& path, bool* was_prepared) {
  const uint64_t bytes = header.bytes;
  std::string spare;
  if (bytes == spare_bytes_) {
    absl::MutexLock lock(&mutex_);
    const absl::Duration now = clock_->Now();
    const double seconds = absl::ToDoubleSeconds(now - std::exchange(last_take_, now));
    fill_ = static_cast<double>(bytes) < seconds * kFillBelowBytesPerSecond;
    if (!ready_.empty()) {
      spare = std::move(ready_.back());
      ready_.pop_back();
    }
  }
  bool moved = !spare.empty() && file_system_->Rename(spare, path).ok();
  if (!spare.empty() && !moved) {
    // The region's directory is on another file system, or the spare was removed. A spare that is
    // still there is kept for another region.
    if (file_system_->KindOf(spare).ok()) {
      absl::MutexLock lock(&mutex_);
      ready_.push_back(std::move(spare));
    }
  }
  if (was_prepared != nullptr) *was_prepared = moved;
  absl::Status status;
  if (!moved) {
    status = file_system_->RemoveFile(path);
    if (status.ok() || absl::IsNotFound(status)) status = Make(path, bytes, /*fill=*/false);
  }
  if (status.ok()) {
    status = WriteHeader(path, header);
    // Best effort: the next attempt replaces the file.
    if (!status.ok()) (void)file_system_->RemoveFile(path);
  }
  StartRefill();
  return status;
}

absl::Status SparePool::WriteHeader(const std::string& path, SegmentHeader& header) {
  auto file = file_system_->OpenFile(path, FileSystem::OpenMode::kReadWrite);
  if (!file.ok()) return file.status();
  header.alignment = AlignmentFor((*file)->WriteAlignment(), header.bytes);
  const absl::Status status = (*file)->Write(0, {EncodeSegmentHeader(header)});
  return status.ok() ? (*file)->SyncData() : status;
}

std::string SparePool::NextPath() {
  absl::MutexLock lock(&mutex_);
  return absl::StrCat(directory_, "/", kSparePrefix, made_++);
}

void SparePool::StartRefill() {
  {
    absl::MutexLock lock(&mutex_);
    if (refilling_ || stopping_ || ready_.size() >= spare_count_) return;
    refilling_ = true;
  }
  background_->Post([this] { Refill(); });
}

void SparePool::Refill() {
  while (true) {
    bool fill = true;
    {
      absl::MutexLock lock(&mutex_);
      fill = fill_;
      if (stopping_ || ready_.size() >= spare_count_) {
        refilling_ = false;
        return;
      }
    }
    std::string path = NextPath();
    const absl::Status made = Make(path, spare_bytes_, fill);
    absl::MutexLock lock(&mutex_);
    if (!made.ok()) {
      // The next writer that needs a segment makes it in place, and gets the error if there still
      // is one.
      refilling_ = false;
      return;
    }
    ready_.push_back(std::move(path));
  }
}

absl::Status SparePool::Make(const std::string& path, uint64_t bytes, bool fill) {
  absl::Status status;
  if (disk_ != nullptr) status = disk_->CheckAllocation(DirectoryOf(path), bytes);
  if (!status.ok()) return status;
  auto file = file_system_->CreateFile(path);
  if (!file.ok()) return file.status();
  status = (*file)->Allocate(bytes);
  if (status.ok() && fill) {
    const std::string zeros(kFillStepBytes, '\0');
    for (uint64_t at = 0; at < bytes && status.ok(); at += zeros.size()) {
      const uint64_t step = std::min<uint64_t>(zeros.size(), bytes - at);
      status = (*file)->Write(at, {absl::string_view(zeros).substr(0, step)});
      // The file is filled in small portions, so that no sync of a log waits long for them.
      if (status.ok()) status = (*file)->SyncData();
    }
  }
  if (status.ok()) status = (*file)->SyncData();
  if (!status.ok()) {
    // Best effort: the next start removes a partial spare, and the next attempt replaces a partial
    // segment.
    (void)file_system_->RemoveFile(path);
  }
  return status;
}

}  // namespace walden::segment
