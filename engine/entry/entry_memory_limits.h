// The limits of the entry log's memory, and the budgets that enforce them.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/executor.h"
#include "base/memory_budget.h"

namespace walden::entry {

struct EntryMemoryLimits {
  uint64_t total_bytes = uint64_t{512} << 20;  // of everything below, over all tables
  uint64_t table_bytes = uint64_t{256} << 20;  // of one table's pages
  uint64_t page_bytes = uint64_t{16} << 20;    // a page that reached it is sealed
};

// The memory budgets of all tables of a daemon. Any thread.
class EntryMemory {
 public:
  explicit EntryMemory(const EntryMemoryLimits& limits)
      : limits_(limits),
        pages_(limits.total_bytes - limits.total_bytes / kPassesShare),
        passes_(limits.total_bytes / kPassesShare) {}

  const EntryMemoryLimits& limits() const { return limits_; }
  // The budget of tables' pages.
  MemoryBudget& pages() { return pages_; }
  const MemoryBudget& pages() const { return pages_; }
  // The budget of memory in which Flush and Scan gather entries when they read the log instead of
  // pages.
  MemoryBudget& passes() { return passes_; }
  // Bytes of one pass over the log.
  uint64_t pass_bytes() const { return std::min(limits_.page_bytes, passes_.limit() / 2); }

 private:
  static constexpr uint64_t kPassesShare = 8;

  const EntryMemoryLimits limits_;
  MemoryBudget pages_;
  MemoryBudget passes_;
};

// All outlive the tables.
struct EntryEnvironment {
  EntryMemory* memory = nullptr;
  Executor* loader = nullptr;  // reads logs: long work
};

}  // namespace walden::entry
