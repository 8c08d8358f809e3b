// Time from outside, so that a whole engine can run in a simulation.
#pragma once

#include "absl/time/time.h"

namespace walden {

// Any thread may use it. Monotonic: never goes back.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Duration Now() const = 0;  // since an arbitrary start

  static Clock* Real();
};

}  // namespace walden
