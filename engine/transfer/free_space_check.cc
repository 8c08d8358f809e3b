#include "engine/transfer/free_space_check.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/error.h"

namespace walden {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

}  // namespace

absl::Status CheckRoomForCopy(FileSystem* files, const std::string& data_directory,
                              const CopySize& size) {
  uint64_t needed = size.live_bytes + 16 * kMiB;
  if (size.to == DirectoryOwner::kSegment) {
    needed += size.regions * size.segment_size_bytes;
  } else {
    // RocksDB also needs room for its own log, and for what compactions write before they remove
    // files.
    needed += size.live_bytes / 4 + std::min(size.live_bytes, 256 * kMiB);
  }
  needed -= std::min(needed, size.there_bytes);
  const auto free = files->FreeBytes(data_directory);
  if (!free.ok()) return free.status();
  if (*free >= needed) return absl::OkStatus();
  return MakeError(
      absl::StatusCode::kResourceExhausted, ErrorReason::kDiskFull,
      absl::StrCat(size.what, " needs about ", needed, " bytes, and ", *free, " are free"),
      {{"directory", data_directory},
       {"needed", absl::StrCat(needed)},
       {"free", absl::StrCat(*free)}});
}

}  // namespace walden
