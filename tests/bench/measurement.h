// One round's result, and the clock it is measured with.
#pragma once

#include <chrono>
#include <cstdint>

#include "cli/client/latency_histogram.h"

namespace walden::bench {

struct Measurement {
  double value = 0;  // in the unit of its figure
  cli::LatencyHistogram latency;
};

inline uint64_t NowNanos() {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                   std::chrono::steady_clock::now().time_since_epoch())
                                   .count());
}

inline double SecondsBetween(uint64_t start_nanos, uint64_t end_nanos) {
  return static_cast<double>(end_nanos - start_nanos) / 1e9;
}

inline uint64_t Nanos(double seconds) { return static_cast<uint64_t>(seconds * 1e9); }

}  // namespace walden::bench
