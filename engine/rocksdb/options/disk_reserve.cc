#include "engine/rocksdb/options/disk_reserve.h"

#include <utility>

namespace walden::rocks {

DiskReserve::DiskReserve(FileSystem* files, std::string path, uint64_t bytes)
    : files_(files), path_(std::move(path)), bytes_(bytes) {}

void DiskReserve::Make() {
  if (bytes_ == 0) return;
  absl::MutexLock lock(&mutex_);
  if (made_) return;
  auto file = files_->OpenFile(path_, FileSystem::OpenMode::kReadWrite);
  if (absl::IsNotFound(file.status())) file = files_->CreateFile(path_);
  if (!file.ok()) return;
  made_ = (*file)->Allocate(bytes_).ok();
  // A part of the reserve would only fill the disk.
  if (!made_) (void)files_->RemoveFile(path_);
}

void DiskReserve::Spend() {
  absl::MutexLock lock(&mutex_);
  // If the file stays, the write that needs its room fails and returns the error.
  (void)files_->RemoveFile(path_);
  made_ = false;
}

}  // namespace walden::rocks
