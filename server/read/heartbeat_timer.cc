#include "server/read/heartbeat_timer.h"

#include <utility>

#include "absl/time/clock.h"

namespace walden {

HeartbeatTimer::HeartbeatTimer(absl::Duration delay, std::function<void()> beat)
    : state_(std::make_shared<State>(std::move(beat))) {
  alarm_.Set(absl::ToChronoTime(absl::Now() + delay), [state = state_](bool) {
    absl::MutexLock lock(&state->mutex);
    if (const std::function<void()> beat = std::exchange(state->beat, nullptr)) beat();
  });
}

void HeartbeatTimer::Stop() {
  {
    absl::MutexLock lock(&state_->mutex);
    state_->beat = nullptr;
  }
  alarm_.Cancel();
}

}  // namespace walden
