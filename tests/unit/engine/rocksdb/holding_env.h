// Keeps log files closed and still needed.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "rocksdb/env.h"

namespace walden {

// While it holds, RocksDB's background jobs wait, so that nothing becomes a table. Any thread.
class HoldingEnv final : public rocksdb::EnvWrapper {
 public:
  explicit HoldingEnv(std::unique_ptr<rocksdb::Env> env) : EnvWrapper(std::move(env)) {}
  const char* Name() const override { return "HoldingEnv"; }

  void Schedule(void (*function)(void*), void* arg, Priority priority, void* tag,
                void (*unscheduled)(void*)) override {
    absl::MutexLock lock(&mutex_);
    std::function<void()> job = [=, this] {
      EnvWrapper::Schedule(function, arg, priority, tag, unscheduled);
    };
    if (!holding_) return job();
    held_.push_back(std::move(job));
  }

  void Hold() {
    absl::MutexLock lock(&mutex_);
    holding_ = true;
  }
  void LetGo() {
    absl::MutexLock lock(&mutex_);
    holding_ = false;
    for (const auto& job : held_) job();
    held_.clear();
  }

 private:
  absl::Mutex mutex_;
  bool holding_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::function<void()>> held_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace walden
