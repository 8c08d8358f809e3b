#include "server/region/tail_waiters.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace walden {

// Wait counts itself and then reads the version; Publish raises the version and then reads the
// count. Both in one total order, so one of the two sees the other.
bool TailWaiters::Wait(uint64_t key, TailWaiter* waiter, uint64_t seen_version) {
  absl::MutexLock lock(&mutex_);
  waiting_.fetch_add(1, std::memory_order_seq_cst);
  if (version() != seen_version) {
    waiting_.fetch_sub(1, std::memory_order_seq_cst);
    return false;
  }
  waiters_[key].push_back(waiter);
  return true;
}

bool TailWaiters::Cancel(uint64_t key, TailWaiter* waiter) {
  absl::MutexLock lock(&mutex_);
  const auto entry = waiters_.find(key);
  if (entry == waiters_.end()) return false;
  const auto position = std::find(entry->second.begin(), entry->second.end(), waiter);
  if (position == entry->second.end()) return false;
  entry->second.erase(position);
  if (entry->second.empty()) waiters_.erase(entry);
  waiting_.fetch_sub(1, std::memory_order_seq_cst);
  return true;
}

void TailWaiters::Wake(uint64_t key) {
  const auto entry = waiters_.find(key);
  if (entry == waiters_.end()) return;
  const std::vector<TailWaiter*> woken = std::move(entry->second);
  waiters_.erase(entry);
  waiting_.fetch_sub(woken.size(), std::memory_order_seq_cst);
  for (TailWaiter* waiter : woken) waiter->OnVisible();
}

void TailWaiters::Publish(absl::Span<AppendBatch* const> group) {
  version_.fetch_add(1, std::memory_order_seq_cst);
  if (waiting_.load(std::memory_order_seq_cst) == 0) return;
  absl::MutexLock lock(&mutex_);
  std::optional<TableId> previous;
  for (const AppendBatch* batch : group) {
    if (!batch->result.status.ok()) continue;
    for (const TableAppend& append : batch->tables) {
      if (previous != append.table) Wake(append.table);
      previous = append.table;
    }
  }
}

void TailWaiters::Publish(uint64_t key) {
  version_.fetch_add(1, std::memory_order_seq_cst);
  if (waiting_.load(std::memory_order_seq_cst) == 0) return;
  absl::MutexLock lock(&mutex_);
  Wake(key);
}

void TailWaiters::PublishAll() {
  version_.fetch_add(1, std::memory_order_seq_cst);
  absl::MutexLock lock(&mutex_);
  while (!waiters_.empty()) Wake(waiters_.begin()->first);
}

}  // namespace walden
