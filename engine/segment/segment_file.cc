#include "engine/segment/segment_file.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace walden::segment {

absl::StatusOr<std::shared_ptr<const Mapping>> SegmentFile::Map() const {
  absl::MutexLock lock(&mutex_);
  if (std::shared_ptr<const Mapping> mapping = mapping_.lock()) return mapping;
  auto file = file_system_->OpenFile(path_, FileSystem::OpenMode::kReadOnly);
  if (!file.ok()) return file.status();
  auto mapped = (*file)->Map();
  if (!mapped.ok()) return mapped.status();
  std::shared_ptr<const Mapping> mapping = *std::move(mapped);
  mapping_ = mapping;
  return mapping;
}

std::string SegmentFileName(uint64_t id) { return absl::StrCat("seg_", id); }

bool ParseSegmentFileName(absl::string_view name, uint64_t* id) {
  const absl::string_view full = name;
  return absl::ConsumePrefix(&name, "seg_") && absl::SimpleAtoi(name, id) &&
         SegmentFileName(*id) == full;
}

}  // namespace walden::segment
