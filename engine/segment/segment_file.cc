#include "engine/segment/segment_file.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace walden::segment {

namespace {

// Shorter reads are calls: they lie scattered, and a page fault costs more than a call.
constexpr size_t kMapBytes = 64 << 10;

}  // namespace

absl::Status OpenSegment::Read(uint64_t offset, absl::Span<char> out) const {
  if (out.size() < kMapBytes) {
    const absl::StatusOr<size_t> got = file_->Read(offset, out);
    if (!got.ok()) return got.status();
    if (*got == out.size()) return absl::OkStatus();
    return absl::OutOfRangeError(
        absl::StrCat(file_->path(), " ends before byte ", offset + out.size()));
  }
  const Mapping* mapping = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    if (mapping_ == nullptr) {
      auto mapped = file_->Map();
      if (!mapped.ok()) return mapped.status();
      mapping_ = *std::move(mapped);
    }
    mapping = mapping_.get();
  }
  return mapping->Copy(offset, out);
}

void OpenSegment::Release(uint64_t begin, uint64_t end) const {
  absl::MutexLock lock(&mutex_);
  if (mapping_ != nullptr && begin < end) mapping_->Release(begin, end - begin);
}

absl::StatusOr<std::shared_ptr<const OpenSegment>> SegmentFile::Open() const {
  absl::MutexLock lock(&mutex_);
  if (std::shared_ptr<const OpenSegment> open = open_.lock()) return open;
  auto file = file_system_->OpenFile(path_, FileSystem::OpenMode::kReadOnly);
  if (!file.ok()) return file.status();
  auto open = std::make_shared<const OpenSegment>(*std::move(file), size_);
  open_ = open;
  return open;
}

std::string SegmentFileName(uint64_t id) { return absl::StrCat("seg_", id); }

bool ParseSegmentFileName(absl::string_view name, uint64_t* id) {
  const absl::string_view full = name;
  return absl::ConsumePrefix(&name, "seg_") && absl::SimpleAtoi(name, id) &&
         SegmentFileName(*id) == full;
}

}  // namespace walden::segment
