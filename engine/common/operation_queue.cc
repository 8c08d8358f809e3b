#include "engine/common/operation_queue.h"

namespace walden {

void OperationQueue::Add(std::unique_ptr<Operation> operation) {
  bool all_begun = false;
  bool is_alone = false;
  {
    absl::MutexLock lock(&mutex_);
    all_begun = waiting_ == 0;
    is_alone = operations_.empty();
  }
  // Only this thread adds operations, so what was true stays so.
  const bool begun = all_begun && operation->Begin(is_alone);
  absl::MutexLock lock(&mutex_);
  ++added_;
  if (!begun) ++waiting_;
  operations_.push_back(std::move(operation));
}

std::vector<OperationQueue::Operation*> OperationQueue::BeginWaiting() {
  std::vector<Operation*> begun;
  while (true) {
    Operation* next = nullptr;
    {
      absl::MutexLock lock(&mutex_);
      while (begun.size() < operations_.size() && operations_[begun.size()]->is_begun()) {
        begun.push_back(operations_[begun.size()].get());
      }
      if (begun.size() == operations_.size()) return begun;
      next = operations_[begun.size()].get();
    }
    // It waits, so this thread has the writing state.
    if (!next->Begin(/*is_alone=*/begun.empty())) return begun;
    absl::MutexLock lock(&mutex_);
    --waiting_;
  }
}

bool OperationQueue::Work(absl::FunctionRef<size_t(absl::Span<Operation* const>)> finish) {
  {
    absl::MutexLock lock(&mutex_);
    if (is_working_ || operations_.empty()) return false;
    is_working_ = true;
  }
  // The operations stay in the queue meanwhile: a thread that begins others sees them.
  const std::vector<Operation*> begun = BeginWaiting();
  size_t count = 1;
  if (!begun.empty()) {
    count = finish(begun);
  } else {
    Operation* first = nullptr;
    {
      absl::MutexLock lock(&mutex_);
      first = operations_.front().get();
    }
    first->Run();
  }
  std::vector<std::unique_ptr<Operation>> finished;
  {
    absl::MutexLock lock(&mutex_);
    if (begun.empty()) --waiting_;
    for (size_t i = 0; i < count; ++i) {
      finished.push_back(std::move(operations_.front()));
      operations_.pop_front();
    }
  }
  // Nobody else is told of a later one before.
  for (const auto& operation : finished) operation->Done();
  absl::MutexLock lock(&mutex_);
  is_working_ = false;
  return !operations_.empty();
}

}  // namespace walden
