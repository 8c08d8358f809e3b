#include "cli/client/latency_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace walden::cli {

// Values below 2^(kStepBits+1) have a bucket each; above, the highest kStepBits+1 bits choose it.
size_t LatencyHistogram::BucketOf(uint64_t nanos) {
  const int shift = std::max(0, static_cast<int>(std::bit_width(nanos)) - kStepBits - 1);
  return (static_cast<size_t>(shift) << kStepBits) + static_cast<size_t>(nanos >> shift);
}

uint64_t LatencyHistogram::LargestIn(size_t bucket) {
  const size_t row = bucket >> kStepBits;
  const size_t shift = row == 0 ? 0 : row - 1;
  const uint64_t step = bucket - (shift << kStepBits);
  return ((step + 1) << shift) - 1;
}

void LatencyHistogram::Record(absl::Duration latency) {
  constexpr int64_t kLongest = INT64_MAX;
  const auto nanos =
      static_cast<uint64_t>(std::clamp<int64_t>(absl::ToInt64Nanoseconds(latency), 0, kLongest));
  ++buckets_[BucketOf(nanos)];
  ++count_;
  max_ = std::max(max_, nanos);
  sum_ += static_cast<double>(nanos);
}

void LatencyHistogram::Merge(const LatencyHistogram& other) {
  for (size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
  sum_ += other.sum_;
}

absl::Duration LatencyHistogram::Mean() const {
  return count_ == 0 ? absl::ZeroDuration()
                     : absl::Nanoseconds(std::llround(sum_ / static_cast<double>(count_)));
}

absl::Duration LatencyHistogram::Percentile(double percentile) const {
  if (count_ == 0) return absl::ZeroDuration();
  const auto rank = std::clamp<uint64_t>(
      static_cast<uint64_t>(std::ceil(percentile / 100 * static_cast<double>(count_))), 1, count_);
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen >= rank) {
      return absl::Nanoseconds(static_cast<int64_t>(std::min(LargestIn(i), max_)));
    }
  }
  return Max();
}

}  // namespace walden::cli
