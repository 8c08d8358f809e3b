#include "tests/simulation/harmed_writes.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace walden::testing {
namespace {

constexpr uint64_t kHeaderBytes = 512;
constexpr uint64_t kMaxOverwritten = 5000;

}  // namespace

HarmedWrites::HarmedWrites(RegionOnDisk* region, Random* random)
    : region_(region), random_(random) {
  region_->disk().SetWriteObserver([this](const std::string& path, uint64_t begin, uint64_t bytes) {
    if (committing_) written_[path].push_back({begin, begin + bytes});
  });
}

HarmedWrites::~HarmedWrites() { region_->disk().SetWriteObserver(nullptr); }

void HarmedWrites::HarmSomething() {
  const std::vector<std::string> segments = region_->Segments();
  if (segments.empty()) return;
  const std::string& path =
      random_->Percent(40) ? segments.back() : segments[random_->Below(segments.size())];
  const std::string content = region_->disk().ReadWhole(path);
  const uint64_t used = content.find_last_not_of('\0') + 1;
  if (used <= kHeaderBytes) return;
  // Often near the end, where it matters most what was durable.
  const uint64_t first = random_->Percent(50) ? used - (used / 8) - 1 : 0;
  const uint64_t begin = random_->Between(std::max(kHeaderBytes, first), used - 1);
  if (random_->Percent(70)) {
    const int bit = static_cast<int>(random_->Below(8));
    region_->Note(absl::StrCat("flip bit ", bit, " of byte ", begin, " of ", path));
    region_->disk().FlipBit(path, begin, bit);
    return Harm(path, {begin, begin + 1}, content);
  }
  const uint64_t end = std::min(used, begin + random_->Between(1, kMaxOverwritten));
  region_->Note(absl::StrCat("overwrite [", begin, ", ", end, ") of ", path));
  for (uint64_t at = begin; at < end; ++at) region_->disk().SetByte(path, at, 'z');
  Harm(path, {begin, end}, content);
}

void HarmedWrites::Harm(const std::string& path, Extent bytes, const std::string& content) {
  any_new_ = true;
  for (const Extent& write : written_[path]) {
    if (write.begin < bytes.end && bytes.begin < write.end) {
      harmed_.push_back(content.substr(write.begin, write.end - write.begin));
    }
  }
}

bool HarmedWrites::MayHaveCost(const std::string& payload) const {
  if (payload.size() < kMarkBytes) return true;
  const std::string mark = payload.substr(0, kMarkBytes);
  return std::any_of(harmed_.begin(), harmed_.end(), [&](const std::string& written) {
    return written.find(mark) != std::string::npos;
  });
}

}  // namespace walden::testing
