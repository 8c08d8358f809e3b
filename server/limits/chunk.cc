#include "server/limits/chunk.h"

#include <algorithm>
#include <cstdlib>
#include <new>
#include <utility>

namespace walden {
namespace {

char* Resize(char* data, size_t capacity) {
  void* const resized = std::realloc(data, capacity);
  if (resized == nullptr) throw std::bad_alloc();
  return static_cast<char*>(resized);
}

}  // namespace

Chunk::Chunk(std::shared_ptr<ReaderBudget> budget, size_t capacity)
    : budget_(std::move(budget)), data_(Resize(nullptr, capacity)), capacity_(capacity) {}

Chunk::~Chunk() {
  std::free(data_);
  budget_->Release(capacity_);
}

void Chunk::Grow(size_t bytes) {
  const size_t grown = std::max(size_ + bytes, capacity_ + capacity_ / 2);
  budget_->AcquireMore(grown - capacity_);
  data_ = Resize(data_, grown);
  capacity_ = grown;
}

void Chunk::Trim() {
  const size_t trimmed = std::max<size_t>(size_, 1);
  if (trimmed > capacity_ - capacity_ / 4) return;
  data_ = Resize(data_, trimmed);
  budget_->Release(capacity_ - trimmed);
  capacity_ = trimmed;
}

}  // namespace walden
