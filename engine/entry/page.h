// A sorted view of entries whose records are in the log, by key, newest version of a key first.
//
// Entries are kept as their records' payloads, in blocks that are freed together; the order is a
// B-tree of 24 bytes per entry. One thread at a time may insert, while no other thread reads. Once
// the last entry is inserted any number of threads may read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/strings/string_view.h"
#include "base/memory_budget.h"
#include "engine/types.h"

namespace walden::entry {

// Counts what a container allocates, with what malloc adds to each allocation.
template <typename T>
class CountingAllocator {
 public:
  using value_type = T;
  static constexpr size_t kMallocOverheadBytes = 16;

  explicit CountingAllocator(size_t* bytes) : bytes_(bytes) {}
  template <typename U>
  CountingAllocator(const CountingAllocator<U>& other) : bytes_(other.bytes()) {}

  T* allocate(size_t count) {
    *bytes_ += count * sizeof(T) + kMallocOverheadBytes;
    return std::allocator<T>().allocate(count);
  }
  void deallocate(T* memory, size_t count) {
    *bytes_ -= count * sizeof(T) + kMallocOverheadBytes;
    std::allocator<T>().deallocate(memory, count);
  }

  size_t* bytes() const { return bytes_; }
  friend bool operator==(const CountingAllocator& a, const CountingAllocator& b) {
    return a.bytes_ == b.bytes_;
  }

 private:
  size_t* bytes_;
};

// An entry's place in the order.
struct Position {
  absl::string_view key;
  SequenceNumber sequence = 0;

  friend bool operator<(const Position& a, const Position& b) {
    const int order = a.key.compare(b.key);
    return order != 0 ? order < 0 : a.sequence > b.sequence;
  }
};

// One entry of a page.
class Slot {
 public:
  Slot(const char* payload, uint32_t payload_bytes, uint8_t key_offset, uint16_t key_bytes,
       SequenceNumber sequence)
      : payload_(payload),
        sequence_(sequence),
        payload_bytes_(payload_bytes),
        key_bytes_(key_bytes),
        key_offset_(key_offset) {}

  absl::string_view key() const { return {payload_ + key_offset_, key_bytes_}; }
  absl::string_view payload() const { return {payload_, payload_bytes_}; }
  SequenceNumber sequence() const { return sequence_; }
  Position position() const { return {key(), sequence_}; }

 private:
  const char* payload_;
  SequenceNumber sequence_;
  uint32_t payload_bytes_;
  uint16_t key_bytes_;
  uint8_t key_offset_;
};
static_assert(sizeof(Slot) == 24);

struct SlotOrder {
  using is_transparent = void;
  static Position Of(const Slot& slot) { return slot.position(); }
  static Position Of(const Position& position) { return position; }
  template <typename A, typename B>
  bool operator()(const A& a, const B& b) const {
    return Of(a) < Of(b);
  }
};

class Page {
  using Slots = absl::btree_set<Slot, SlotOrder, CountingAllocator<Slot>>;

 public:
  using Iterator = Slots::const_iterator;

  // The page takes its memory from `budget` as it grows, even past the limit, and gives it back
  // when it is destroyed. The budget outlives the page.
  explicit Page(MemoryBudget* budget);
  ~Page();
  Page(const Page&) = delete;
  Page& operator=(const Page&) = delete;

  // Adds the entry whose record has this payload and number. `key` is inside `payload`, after at
  // most kMaxHeaderBytes. The payload is copied.
  void Insert(SequenceNumber sequence, absl::string_view payload, absl::string_view key);

  // The newest version of a key, or null. Valid until the next Insert.
  const Slot* Newest(absl::string_view key) const;

  Iterator begin() const { return slots_.begin(); }
  Iterator end() const { return slots_.end(); }
  // The first entry at this position or after it.
  Iterator From(const Position& position) const { return slots_.lower_bound(position); }
  Iterator After(const Position& position) const { return slots_.upper_bound(position); }

  uint64_t entries() const { return slots_.size(); }
  // Bytes of all the page's memory: payloads, blocks' unused ends, nodes of the tree, the page
  // itself.
  size_t memory_bytes() const { return sizeof(*this) + node_bytes_ + block_bytes_; }

  // An upper bound of what `entries` entries with these payload bytes in total add to memory_bytes.
  static size_t WorstCaseBytes(uint64_t payload_bytes, uint64_t entries);

 private:
  char* Place(size_t bytes);
  void Charge();

  MemoryBudget* const budget_;
  size_t charged_ = 0;
  size_t node_bytes_ = 0;
  size_t block_bytes_ = 0;
  std::vector<std::unique_ptr<char[]>> blocks_;
  char* free_ = nullptr;  // in the newest shared block
  size_t free_bytes_ = 0;
  size_t next_block_bytes_;
  Slots slots_;
};

}  // namespace walden::entry
