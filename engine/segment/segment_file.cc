#include "engine/segment/segment_file.h"

#include <array>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/error.h"
#include "engine/segment/format.h"

namespace walden::segment {

namespace {

// Shorter reads are made by a call: such reads are scattered, and a page fault costs more than a
// call.
constexpr size_t kMapBytes = 64 << 10;

}  // namespace

absl::Status OpenSegment::Read(uint64_t offset, absl::Span<char> out) const {
  if (out.size() >= kMapBytes) {
    const std::shared_ptr<const Mapping> mapping = Map();
    if (mapping != nullptr && mapping->Copy(offset, out).ok()) return absl::OkStatus();
    // The file system cannot map the file, or a page is bad: the call below works, or returns the
    // error.
  }
  const absl::StatusOr<size_t> got = file_->Read(offset, out);
  if (!got.ok()) return got.status();
  if (*got == out.size()) return absl::OkStatus();
  return absl::OutOfRangeError(absl::StrCat(file_->path(), " ends at byte ", offset + *got));
}

std::shared_ptr<const Mapping> OpenSegment::Map() const {
  absl::MutexLock lock(&mutex_);
  if (mapping_ == nullptr && !cannot_be_mapped_) {
    auto mapped = file_->Map();
    cannot_be_mapped_ = !mapped.ok();
    if (mapped.ok()) mapping_ = *std::move(mapped);
  }
  return mapping_;
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
  const absl::Status ours = CheckHeader(**file);
  if (!ours.ok()) return ours;
  auto open = std::make_shared<const OpenSegment>(*std::move(file), header_.bytes);
  open_ = open;
  return open;
}

absl::Status SegmentFile::CheckHeader(const File& file) const {
  if (header_.version_1()) return absl::OkStatus();
  std::array<char, kSegmentHeaderBytes> bytes;
  const absl::StatusOr<size_t> got = file.Read(0, absl::MakeSpan(bytes));
  if (!got.ok()) return got.status();
  const auto found = ParseSegmentHeader({bytes.data(), *got});
  // Sound records may follow a broken header: their checksums decide.
  if (!found || *found == header_) return absl::OkStatus();
  return MakeError(absl::StatusCode::kDataLoss, ErrorReason::kCorruption,
                   absl::StrCat(shown_path_, " is another file than the one that was written: ",
                                HeaderDifference(*found, header_)),
                   {{"file", shown_path_}, {"offset", "0"}});
}

std::string SegmentFileName(uint64_t id) { return absl::StrCat("seg_", id); }

bool ParseSegmentFileName(absl::string_view name, uint64_t* id) {
  const absl::string_view full = name;
  return absl::ConsumePrefix(&name, "seg_") && absl::SimpleAtoi(name, id) &&
         SegmentFileName(*id) == full;
}

}  // namespace walden::segment
