// Somewhere to run work, from outside, so that a whole engine can run in one thread.
#pragma once

#include <functional>

namespace walden {

// Any thread may use it.
class Executor {
 public:
  virtual ~Executor() = default;

  // Runs `work` later, on some thread, never inside this call. Work still waiting when the executor
  // is destroyed is run by the destructor.
  virtual void Post(std::function<void()> work) = 0;
};

}  // namespace walden
