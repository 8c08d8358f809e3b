#include "engine/io/disk_space.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"

namespace walden {
namespace {

// Free bytes at which appends resume: a little above the reserve, so that a small file does not
// stop and resume them in turn.
uint64_t ResumeAt(uint64_t reserve_bytes) {
  return reserve_bytes + std::min(reserve_bytes / 16, uint64_t{64} << 20);
}

}  // namespace

DiskSpace::DiskSpace(FileSystem* file_system, std::string directory, uint64_t reserve_bytes)
    : file_system_(file_system), directory_(std::move(directory)), configured_(reserve_bytes) {
  // An error that stays is returned by the next Sample().
  (void)Sample();
}

absl::Status DiskSpace::Sample() {
  const absl::StatusOr<uint64_t> free = file_system_->FreeBytes(directory_);
  if (!free.ok()) return free.status();
  const absl::StatusOr<uint64_t> total = file_system_->TotalBytes(directory_);
  if (!total.ok()) return total.status();
  total_bytes_.store(*total, std::memory_order_relaxed);
  Note(*free);
  return absl::OkStatus();
}

void DiskSpace::Note(uint64_t free) const {
  free_bytes_.store(free, std::memory_order_relaxed);
  const uint64_t reserve = reserve_bytes();
  is_low_.store(free < (is_low() ? ResumeAt(reserve) : reserve), std::memory_order_relaxed);
}

absl::Status DiskSpace::CheckAllocation(const std::string& directory, uint64_t bytes) const {
  if (configured_.load(std::memory_order_relaxed) == 0) return absl::OkStatus();
  const absl::StatusOr<uint64_t> free = file_system_->FreeBytes(directory);
  if (!free.ok()) return free.status();
  const absl::StatusOr<uint64_t> total = file_system_->TotalBytes(directory);
  if (!total.ok()) return total.status();
  const uint64_t reserve = ReserveOn(*total);
  if (*free >= reserve && *free - reserve >= bytes) return absl::OkStatus();
  return Low(directory, *free, reserve, bytes);
}

absl::Status DiskSpace::LowError() const {
  return Low(directory_, free_bytes(), reserve_bytes(), 0);
}

absl::Status DiskSpace::Low(const std::string& directory, uint64_t free, uint64_t reserve,
                            uint64_t wanted_bytes) {
  const std::string wanted =
      wanted_bytes == 0 ? "" : absl::StrCat(" and ", wanted_bytes, " more are needed for a file");
  return MakeError(
      absl::StatusCode::kResourceExhausted, ErrorReason::kDiskReserve,
      absl::StrCat("the disk of ", directory, " has ", free, " bytes left", wanted, ", and ",
                   reserve,
                   " stay free (limits.disk_reserve): nothing was stored. Mark records deleted or "
                   "free some disk; appends resume by themselves"),
      {{"field", "limits.disk_reserve"},
       {"value", absl::StrCat(free)},
       {"limit", absl::StrCat(reserve)}});
}

}  // namespace walden
