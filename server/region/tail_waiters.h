// Wakes readers that wait at the end of a log when there is more to read.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "engine/log_engine.h"
#include "engine/types.h"

namespace walden {

// A reader at the end of one table, or of a region that does not exist yet.
class TailWaiter {
 public:
  virtual ~TailWaiter() = default;

  // New records may be visible, or the region was closed. Called once per successful Wait, on any
  // thread, with a lock held: must hand over to an executor and not use TailWaiters.
  virtual void OnVisible() = 0;
};

// Each region has one, whose keys are table ids. The registry has one for regions that are opened,
// whose keys are region ids. Any thread. Publishing costs one atomic addition while no reader
// waits.
class TailWaiters {
 public:
  // Read this before reading the log, then pass it to Wait, which misses nothing in between.
  uint64_t version() const { return version_.load(std::memory_order_seq_cst); }

  // Waits for `key`. Returns false without waiting if records of any key became visible since
  // `seen_version`.
  bool Wait(uint64_t key, TailWaiter* waiter, uint64_t seen_version);

  // Stops waiting. False if OnVisible was called already; it is not called afterwards.
  bool Cancel(uint64_t key, TailWaiter* waiter);

  // Records of these batches became visible.
  void Publish(absl::Span<AppendBatch* const> group);
  void Publish(uint64_t key);
  // Wakes every waiter: the region closed.
  void PublishAll();

 private:
  void Wake(uint64_t key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::atomic<uint64_t> version_{0};
  std::atomic<uint64_t> waiting_{0};
  absl::Mutex mutex_;
  absl::flat_hash_map<uint64_t, std::vector<TailWaiter*>> waiters_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace walden
