#include "engine/entry/page.h"

#include <algorithm>
#include <cstring>

namespace walden::entry {
namespace {

// Blocks grow with the page, so that a table with few entries takes little.
constexpr size_t kFirstBlockBytes = 4 << 10;
constexpr size_t kLargestBlockBytes = 64 << 10;
// A payload larger than this part of a block gets a block of its own, so that little of a block
// stays unused.
constexpr size_t kOwnBlockDivisor = 4;

// Memory of a block besides its bytes: malloc's overhead and the pointer to it.
constexpr size_t kBlockOverheadBytes = 16 + 2 * sizeof(void*);

// A full node is split in two, and rarely its parent as well.
constexpr size_t kNodeBytesPerEntry = 2 * sizeof(Slot) + 32;

}  // namespace

Page::Page(MemoryBudget* budget)
    : budget_(budget),
      next_block_bytes_(kFirstBlockBytes),
      slots_(SlotOrder(), CountingAllocator<Slot>(&node_bytes_)) {
  Charge();
}

Page::~Page() { budget_->Release(charged_); }

void Page::Insert(SequenceNumber sequence, absl::string_view payload, absl::string_view key) {
  char* const to = Place(payload.size());
  std::memcpy(to, payload.data(), payload.size());
  slots_.insert(slots_.end(), Slot(to, static_cast<uint32_t>(payload.size()),
                                   static_cast<uint8_t>(key.data() - payload.data()),
                                   static_cast<uint16_t>(key.size()), sequence));
  Charge();
}

char* Page::Place(size_t bytes) {
  if (bytes > free_bytes_) {
    const bool own = bytes > next_block_bytes_ / kOwnBlockDivisor;
    const size_t block_bytes = own ? bytes : next_block_bytes_;
    blocks_.emplace_back(new char[block_bytes]);
    block_bytes_ += block_bytes + kBlockOverheadBytes;
    if (own) return blocks_.back().get();
    free_ = blocks_.back().get();
    free_bytes_ = block_bytes;
    next_block_bytes_ = std::min(2 * next_block_bytes_, kLargestBlockBytes);
  }
  char* const placed = free_;
  free_ += bytes;
  free_bytes_ -= bytes;
  return placed;
}

void Page::Charge() {
  if (memory_bytes() <= charged_) return;
  budget_->Acquire(memory_bytes() - charged_);
  charged_ = memory_bytes();
}

const Slot* Page::Newest(absl::string_view key) const {
  const auto found = slots_.lower_bound(Position{key, UINT64_MAX});
  return found != slots_.end() && found->key() == key ? &*found : nullptr;
}

size_t Page::WorstCaseBytes(uint64_t payload_bytes, uint64_t entries) {
  // At most a quarter of each shared block stays unused. One block may be begun, and one page.
  return payload_bytes + payload_bytes / (kOwnBlockDivisor - 1) + entries * kNodeBytesPerEntry +
         kLargestBlockBytes + sizeof(Page) +
         (payload_bytes / (kFirstBlockBytes / kOwnBlockDivisor) + 2) * kBlockOverheadBytes;
}

}  // namespace walden::entry
