// Latencies of many operations, in a fixed few KiB of memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace walden::bench {

// Buckets are 1/64 of a power of two wide, so a percentile is at most 1.6 % off. One thread.
class LatencyHistogram {
 public:
  void Add(uint64_t nanos);
  void Merge(const LatencyHistogram& other);

  uint64_t count() const { return count_; }
  uint64_t max_nanos() const { return max_nanos_; }
  double MeanNanos() const;

  // `quantile` in [0, 1]. 0 when empty.
  double QuantileNanos(double quantile) const;

 private:
  static constexpr int kSubBucketBits = 6;
  static constexpr size_t kSubBuckets = size_t{1} << kSubBucketBits;

  static size_t BucketOf(uint64_t nanos);
  static uint64_t MiddleOf(size_t bucket);

  std::array<uint64_t, kSubBuckets*(64 - kSubBucketBits + 1)> buckets_{};
  uint64_t count_ = 0;
  uint64_t sum_nanos_ = 0;
  uint64_t max_nanos_ = 0;
};

}  // namespace walden::bench
