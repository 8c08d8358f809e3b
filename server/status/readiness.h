// The readiness of the daemon, for probes.
#pragma once

#include <atomic>

#include "absl/strings/string_view.h"

namespace walden {

// Any thread may use it.
class Readiness {
 public:
  enum class State { kOpening, kServing, kShuttingDown };

  void Set(State state) { state_.store(state, std::memory_order_relaxed); }
  bool ready() const { return state() == State::kServing; }

  // For people: "ready", or why not.
  absl::string_view text() const {
    switch (state()) {
      case State::kOpening:
        return "opening namespaces";
      case State::kServing:
        return "ready";
      case State::kShuttingDown:
        break;
    }
    return "shutting down";
  }

 private:
  State state() const { return state_.load(std::memory_order_relaxed); }

  std::atomic<State> state_{State::kOpening};
};

}  // namespace walden
