// Counts how often a measured number fell between given bounds, as Prometheus' histograms do.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace walden {

// Any thread may add and read; never blocks. The counts of a snapshot that is taken while others
// add may be of slightly different moments, but nothing is counted twice.
class Histogram {
 public:
  // Upper bounds, inclusive and rising. Values above the last one are counted too.
  explicit Histogram(std::vector<uint64_t> bounds)
      : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {}
  Histogram(const Histogram&) = delete;
  Histogram& operator=(const Histogram&) = delete;

  void Observe(uint64_t value) {
    const size_t bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
    counts_[bucket].fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(value, std::memory_order_relaxed);
  }

  struct Snapshot {
    std::vector<uint64_t> bounds;
    std::vector<uint64_t> counts;  // one more than bounds; not cumulative
    uint64_t sum = 0;              // of the values
  };
  Snapshot Read() const {
    Snapshot snapshot{.bounds = bounds_, .sum = sum_.load(std::memory_order_relaxed)};
    for (const auto& count : counts_) {
      snapshot.counts.push_back(count.load(std::memory_order_relaxed));
    }
    return snapshot;
  }

 private:
  const std::vector<uint64_t> bounds_;
  std::vector<std::atomic<uint64_t>> counts_;
  std::atomic<uint64_t> sum_{0};
};

// Nanoseconds from 10 us to 10 s in steps of 1, 2.5 and 5: bounds for the duration of a call or a
// sync.
std::vector<uint64_t> DurationBounds();

// Powers of two from 1 to 4,096: bounds for the number of items in a group.
std::vector<uint64_t> CountBounds();

// Bytes from 256 to 16 MiB in steps of 4.
std::vector<uint64_t> SizeBounds();

}  // namespace walden
