// A limit of bytes that many threads share.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace walden {

// Any thread may use it. Never blocks.
class MemoryBudget {
 public:
  explicit MemoryBudget(uint64_t limit_bytes) : limit_(limit_bytes) {}
  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;

  // Takes `bytes` and returns true, or takes nothing if that would pass the limit.
  bool TryAcquire(uint64_t bytes) {
    const uint64_t before = used_.fetch_add(bytes, std::memory_order_relaxed);
    if (before + bytes <= limit_) return true;
    used_.fetch_sub(bytes, std::memory_order_relaxed);
    return false;
  }

  // As TryAcquire, but takes bytes past the limit too when nothing else is taken: for what is within
  // other limits, so that it does not wait for ever.
  bool TryAcquireOrAlone(uint64_t bytes) {
    const uint64_t before = used_.fetch_add(bytes, std::memory_order_relaxed);
    if (before == 0 || before + bytes <= limit_) return true;
    used_.fetch_sub(bytes, std::memory_order_relaxed);
    return false;
  }

  // Takes the bytes even past the limit, for memory that is in use already.
  void Acquire(uint64_t bytes) { used_.fetch_add(bytes, std::memory_order_relaxed); }

  void Release(uint64_t bytes) { used_.fetch_sub(bytes, std::memory_order_relaxed); }

  // Whether `more` bytes would leave the use below the limit.
  bool HasRoom(uint64_t more = 0) const { return used() + more < limit_; }

  uint64_t used() const { return used_.load(std::memory_order_relaxed); }
  uint64_t limit() const { return limit_; }

 private:
  const uint64_t limit_;
  std::atomic<uint64_t> used_{0};
};

}  // namespace walden
