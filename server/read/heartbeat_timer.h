// A timer for the heartbeats of a stream that waits.
#pragma once

#include <grpcpp/alarm.h>

#include <functional>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace walden {

// Calls a function once, unless it is stopped before. Any thread may use it.
class HeartbeatTimer {
 public:
  // Calls `beat` after `delay`, on a thread of gRPC. `beat` may destroy the timer.
  HeartbeatTimer(absl::Duration delay, std::function<void()> beat);

  // Once it returned, `beat` is not running and will not run. Not to be called by `beat`.
  void Stop();

 private:
  // Outlives the timer while gRPC holds the callback.
  struct State {
    explicit State(std::function<void()> beat) : beat(std::move(beat)) {}

    absl::Mutex mutex;
    std::function<void()> beat ABSL_GUARDED_BY(mutex);  // null: called, or stopped
  };

  const std::shared_ptr<State> state_;
  grpc::Alarm alarm_;
};

}  // namespace walden
