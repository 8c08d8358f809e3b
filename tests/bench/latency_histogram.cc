#include "tests/bench/latency_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace walden::bench {

size_t LatencyHistogram::BucketOf(uint64_t nanos) {
  if (nanos < kSubBuckets) return nanos;
  const int shift = std::bit_width(nanos) - 1 - kSubBucketBits;
  return kSubBuckets * (shift + 1) + ((nanos >> shift) - kSubBuckets);
}

uint64_t LatencyHistogram::MiddleOf(size_t bucket) {
  if (bucket < kSubBuckets) return bucket;
  const int shift = static_cast<int>(bucket / kSubBuckets) - 1;
  const uint64_t low = (kSubBuckets + bucket % kSubBuckets) << shift;
  return low + ((uint64_t{1} << shift) / 2);
}

void LatencyHistogram::Add(uint64_t nanos) {
  ++buckets_[BucketOf(nanos)];
  ++count_;
  sum_nanos_ += nanos;
  max_nanos_ = std::max(max_nanos_, nanos);
}

void LatencyHistogram::Merge(const LatencyHistogram& other) {
  for (size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  sum_nanos_ += other.sum_nanos_;
  max_nanos_ = std::max(max_nanos_, other.max_nanos_);
}

double LatencyHistogram::MeanNanos() const {
  return count_ == 0 ? 0 : static_cast<double>(sum_nanos_) / static_cast<double>(count_);
}

double LatencyHistogram::QuantileNanos(double quantile) const {
  if (count_ == 0) return 0;
  const auto wanted = std::max<uint64_t>(
      1, static_cast<uint64_t>(std::ceil(quantile * static_cast<double>(count_))));
  uint64_t seen = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen >= wanted) return static_cast<double>(std::min(MiddleOf(i), max_nanos_));
  }
  return static_cast<double>(max_nanos_);
}

}  // namespace walden::bench
