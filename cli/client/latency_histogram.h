// How long many operations took: percentiles in fixed memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"

namespace walden::cli {

// Log-linear buckets over nanoseconds, as HdrHistogram has them (hdrhistogram.org): 64 linear steps
// per power of two, so a percentile is at most 1/64 above the true value; minimum and maximum are
// exact. One thread at a time; merge histograms of several.
class LatencyHistogram {
 public:
  void Record(absl::Duration latency);
  void Merge(const LatencyHistogram& other);

  uint64_t count() const { return count_; }
  absl::Duration Max() const { return absl::Nanoseconds(static_cast<int64_t>(max_)); }
  absl::Duration Mean() const;

  // Nearest rank: the smallest recorded value that at least `percentile` percent do not exceed,
  // rounded up to its bucket's end. Zero when nothing was recorded. 0 < percentile <= 100.
  absl::Duration Percentile(double percentile) const;

 private:
  static constexpr int kStepBits = 6;
  static constexpr size_t kBuckets = (64 - kStepBits) << kStepBits;

  static size_t BucketOf(uint64_t nanos);
  static uint64_t LargestIn(size_t bucket);

  std::array<uint64_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
  uint64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace walden::cli
