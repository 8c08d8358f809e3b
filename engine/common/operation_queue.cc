#include "engine/common/operation_queue.h"

namespace walden {

void OperationQueue::Add(std::unique_ptr<Operation> operation) {
  absl::MutexLock lock(&mutex_);
  ++added_;
  if (!operation->is_begun()) ++waiting_;
  operations_.push_back(std::move(operation));
}

bool OperationQueue::Work(absl::FunctionRef<size_t(absl::Span<Operation* const>)> finish) {
  std::vector<Operation*> begun;
  Operation* whole = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    if (is_working_ || operations_.empty()) return false;
    is_working_ = true;
    for (const auto& operation : operations_) {
      if (!operation->is_begun()) break;
      begun.push_back(operation.get());
    }
    if (begun.empty()) whole = operations_.front().get();
  }
  // The operations stay in the queue meanwhile: a thread that begins others sees them.
  size_t count = 1;
  if (whole == nullptr) {
    count = finish(begun);
  } else {
    whole->Run();
  }
  std::vector<std::unique_ptr<Operation>> finished;
  {
    absl::MutexLock lock(&mutex_);
    if (whole != nullptr) --waiting_;
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
