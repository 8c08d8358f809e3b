// Bytes on their way to one reader, counted in the readers' budget for as long as they exist.
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
  // `capacity` bytes must have been acquired from the budget; they now belong to the chunk, which
  // gives them back when it is destroyed.
  Chunk(std::shared_ptr<ReaderBudget> budget, size_t capacity);
  ~Chunk();
  Chunk(const Chunk&) = delete;
  Chunk& operator=(const Chunk&) = delete;

  // Where the next `bytes` bytes go. Follow with Commit. Past its capacity the chunk grows and
  // takes more of the budget than is allowed, so ask for a sufficient capacity.
  char* Reserve(size_t bytes) {
    if (capacity_ - size_ < bytes) Grow(bytes);
    return data_ + size_;
  }
  // `end` is one past the last byte written behind Reserve.
  void Commit(const char* end) { size_ = end - data_; }

  // Gives back memory that is not used, if that is worth it.
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
