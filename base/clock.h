// Clocks as interfaces, so that a simulation can run a whole engine at its own time.
#pragma once

#include <cstdint>

#include "absl/time/time.h"

namespace walden {

// Any thread may use it. Monotonic: never goes back.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Duration Now() const = 0;  // since an arbitrary start

  static Clock* Real();
};

// The time of day, for timestamps that clients set. Any thread may use it. It may be set back.
class WallClock {
 public:
  virtual ~WallClock() = default;
  virtual int64_t UnixMillis() const = 0;
  virtual int64_t UnixMicros() const { return 1000 * UnixMillis(); }

  static WallClock* Real();
};

}  // namespace walden
