#include "base/thread_pool.h"

#include <pthread.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace walden {

ThreadPool::ThreadPool(const std::string& name, int threads) {
  threads_.reserve(threads);
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { RunThread(); });
    pthread_setname_np(threads_.back().native_handle(), absl::StrCat(name, "-", i).c_str());
  }
}

ThreadPool::~ThreadPool() {
  Stop();
  RunThread();
}

void ThreadPool::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    work_added_.SignalAll();
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void ThreadPool::Post(std::function<void()> work) {
  absl::MutexLock lock(&mutex_);
  queue_.push_back(std::move(work));
  if (idle_ > 0) work_added_.Signal();
}

void ThreadPool::RunThread() {
  absl::MutexLock lock(&mutex_);
  while (true) {
    while (queue_.empty()) {
      // Work that still runs on another thread may post more.
      if (stopping_ && busy_ == 0) {
        work_added_.SignalAll();
        return;
      }
      ++idle_;
      work_added_.Wait(&mutex_);
      --idle_;
    }
    std::function<void()> work = std::move(queue_.front());
    queue_.pop_front();
    ++busy_;
    mutex_.Unlock();
    work();
    work = nullptr;  // releases what the work holds before the pool counts it as done
    mutex_.Lock();
    --busy_;
  }
}

}  // namespace walden
