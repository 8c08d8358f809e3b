#include "base/clock.h"

#include <chrono>

namespace walden {
namespace {

class SteadyClock final : public Clock {
 public:
  absl::Duration Now() const override {
    return absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
  }
};

class SystemClock final : public WallClock {
 public:
  int64_t UnixMillis() const override { return absl::ToUnixMillis(Now()); }
  int64_t UnixMicros() const override { return absl::ToUnixMicros(Now()); }

 private:
  static absl::Time Now() { return absl::FromChrono(std::chrono::system_clock::now()); }
};

}  // namespace

Clock* Clock::Real() {
  static SteadyClock clock;
  return &clock;
}

WallClock* WallClock::Real() {
  static SystemClock clock;
  return &clock;
}

}  // namespace walden
