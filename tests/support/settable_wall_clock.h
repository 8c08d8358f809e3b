// A clock on the wall that a test sets, also back.
#pragma once

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"
#include "base/clock.h"

namespace walden::testing {

// Any thread.
class SettableWallClock final : public WallClock {
 public:
  explicit SettableWallClock(absl::Time start = absl::FromUnixSeconds(1'700'000'000))
      : unix_micros_(absl::ToUnixMicros(start)) {}

  int64_t UnixMillis() const override { return unix_micros_.load() / 1000; }
  int64_t UnixMicros() const override { return unix_micros_.load(); }

  absl::Time now() const { return absl::FromUnixMicros(unix_micros_.load()); }
  void Set(absl::Time time) { unix_micros_.store(absl::ToUnixMicros(time)); }
  void Advance(absl::Duration duration) { Set(now() + duration); }

 private:
  std::atomic<int64_t> unix_micros_;
};

}  // namespace walden::testing
