// A buffer of bytes to be sent to one reader. The readers' budget counts it while it exists.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/strings/string_view.h"
#include "server/limits/reader_budget.h"

namespace walden {

// One thread at a time.
class Chunk {
 public:
  // `capacity` bytes must have been acquired from the budget. The chunk gives them back when it is
  // destroyed.
  Chunk(std::shared_ptr<ReaderBudget> budget, size_t capacity);
  ~Chunk();
  Chunk(const Chunk&) = delete;
  Chunk& operator=(const Chunk&) = delete;

  // Returns where the next `bytes` bytes must be written. Call Commit afterwards. A chunk grows
  // past its capacity and then exceeds the budget, so the capacity should suffice.
  char* Reserve(size_t bytes) {
    if (capacity_ - size_ < bytes) Grow(bytes);
    return data_ + size_;
  }
  // `end` is one past the last byte written behind Reserve.
  void Commit(const char* end) { size_ = end - data_; }

  // Gives back unused memory if there is much of it.
  void Trim();

  char* data() { return data_; }
  size_t size() const { return size_; }
  size_t capacity() const { return capacity_; }

 private:
  void Grow(size_t bytes);

  const std::shared_ptr<ReaderBudget> budget_;
  char* data_;
  size_t size_ = 0;
  size_t capacity_;
};

}  // namespace walden
