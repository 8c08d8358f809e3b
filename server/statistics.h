// What the daemon counted since it started.
#pragma once

#include <atomic>
#include <cstdint>

namespace walden {

// Any thread may add and read; each number is exact, numbers read together may be moments apart.
struct Statistics {
  using Counter = std::atomic<uint64_t>;

  Counter appended_batches{0};  // accepted, retries answered with their original numbers included
  Counter appended_records{0};
  Counter appended_payload_bytes{0};
  Counter refused_batches{0};
  Counter commits{0};  // groups handed to an engine
  Counter syncs{0};    // of those, groups that had to be durable, and syncs asked for by themselves
  Counter read_records{0};
  Counter read_payload_bytes{0};
  Counter open_readers{0};  // a level, not a count

  static void Add(Counter& counter, uint64_t n) { counter.fetch_add(n, std::memory_order_relaxed); }
  static void Subtract(Counter& counter, uint64_t n) {
    counter.fetch_sub(n, std::memory_order_relaxed);
  }
};

}  // namespace walden
