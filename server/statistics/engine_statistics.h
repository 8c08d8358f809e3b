// Counters of the engine of one namespace since the daemon started.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/histogram.h"
#include "engine/observer.h"

namespace walden {

// Any thread may add and read.
struct EngineStatistics final : public EngineObserver {
  using Counter = std::atomic<uint64_t>;

  Histogram sync_nanos{DurationBounds()};
  Counter reclaimed_bytes{0};
  Counter prepared_segments{0};  // begun by logs
  Counter fresh_segments{0};
  // Gets the argument of OnProblem. Set before the engine is made; may be null.
  std::function<void(const absl::Status&)> on_problem;

  void OnSynced(absl::Duration took) override {
    sync_nanos.Observe(static_cast<uint64_t>(absl::ToInt64Nanoseconds(took)));
  }
  void OnReclaimed(uint64_t bytes) override {
    reclaimed_bytes.fetch_add(bytes, std::memory_order_relaxed);
  }
  void OnSegmentStarted(bool was_prepared) override {
    (was_prepared ? prepared_segments : fresh_segments).fetch_add(1, std::memory_order_relaxed);
  }
  void OnProblem(const absl::Status& what) override {
    if (on_problem) on_problem(what);
  }
};

}  // namespace walden
