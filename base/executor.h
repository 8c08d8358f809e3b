// Runs work on other threads. It is an interface so that a simulation can run a whole engine in one
// thread.
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
