#include "engine/segment/zero_search.h"

#include <algorithm>

#include "absl/strings/string_view.h"
#include "engine/segment/format.h"

namespace walden::segment {
namespace {

constexpr uint64_t kZeroSearchStepBytes = 64 << 10;

bool AllZeros(absl::string_view bytes) {
  return bytes.find_first_not_of('\0') == absl::string_view::npos;
}

}  // namespace

absl::StatusOr<uint64_t> LastNonZero(FileWindow& window, uint64_t begin, uint64_t end) {
  uint64_t last = begin;
  for (uint64_t at = begin; at < end;) {
    const auto bytes = window.Peek(at, std::min(kZeroSearchStepBytes, end - at));
    if (!bytes.ok()) return bytes.status();
    const absl::string_view step = bytes->substr(0, end - at);
    if (step.empty()) break;
    const size_t i = step.find_last_not_of('\0');
    if (i != absl::string_view::npos) last = at + i + 1;
    at += step.size();
  }
  return last;
}

absl::StatusOr<bool> HasUnwrittenSector(FileWindow& window, uint64_t begin, uint64_t end) {
  for (uint64_t at = begin; at < end;) {
    const uint64_t sector_end = std::min(end, (at / kSectorBytes + 1) * kSectorBytes);
    const auto bytes = window.Peek(at, sector_end - at);
    if (!bytes.ok()) return bytes.status();
    const absl::string_view sector = bytes->substr(0, sector_end - at);
    if (AllZeros(sector)) return true;
    at = sector_end;
  }
  return false;
}

}  // namespace walden::segment
