// Takes back the space of what was marked deleted, while the namespace is in use. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "engine/executor.h"
#include "engine/rocksdb/store.h"

namespace walden::rocks {

// Keys [begin, end).
struct KeyRange {
  std::string begin;
  std::string end;
};

// Waits until enough was deleted to be worth rewriting what lies around it, then drops files that
// hold nothing else, and compacts the rest.
class Reclaimer {
 public:
  // `background` null: only Run() reclaims.
  Reclaimer(Store* store, Executor* background);
  ~Reclaimer();

  // `bytes`: about how much the range holds.
  void Deleted(KeyRange range, uint64_t bytes) ABSL_LOCKS_EXCLUDED(mutex_);

  uint64_t waiting_bytes() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Reclaims everything that waits, in this thread. Compaction needs room for what it rewrites:
  // without it only what takes none is done, and the rest goes on waiting.
  absl::Status Run() ABSL_LOCKS_EXCLUDED(mutex_);

  // Waits for work in the background to end; none is begun any more.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  absl::Status Reclaim(const std::vector<KeyRange>& ranges, bool* compacted);

  Store* const store_;
  Executor* const background_;
  std::atomic<bool> canceled_{false};  // a compaction under way ends soon
  mutable absl::Mutex mutex_;
  std::vector<KeyRange> ranges_ ABSL_GUARDED_BY(mutex_);
  uint64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool posted_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace walden::rocks
