// Executor on a fixed number of threads.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/executor.h"

namespace walden {

// Any thread may post, the pool's own too. Work runs in the order posted, as far as several threads
// can keep an order.
class ThreadPool : public Executor {
 public:
  // `name` (at most 12 characters) is what debuggers and top show for its threads.
  ThreadPool(const std::string& name, int threads);
  ~ThreadPool() override;  // stops

  // Runs all posted work, and the work that it posts, then joins the threads. Work posted later
  // runs in the destructor. Call it from one thread that is not one of the pool's.
  void Stop();

  void Post(std::function<void()> work) override;

 private:
  void RunThread() ABSL_LOCKS_EXCLUDED(mutex_);

  absl::Mutex mutex_;
  absl::CondVar work_added_;
  std::deque<std::function<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  int idle_ ABSL_GUARDED_BY(mutex_) = 0;
  int busy_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace walden
