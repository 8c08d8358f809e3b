// Lists the streams that follow the end of a table's log, and their positions, for the metrics.
#pragma once

#include <atomic>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "engine/types.h"
#include "server/region/region_actor.h"

namespace walden {

// Any thread may use it.
class Followers {
 public:
  // One stream, from its construction to its end. Reached is called by one thread at a time and
  // never blocks.
  class Follower {
   public:
    Follower(Followers* among, const RegionKey& key, TableId table, SequenceNumber next)
        : among_(among), key_(key), table_(table), next_(next) {
      absl::MutexLock lock(&among_->mutex_);
      among_->followers_.insert(this);
    }
    ~Follower() {
      absl::MutexLock lock(&among_->mutex_);
      among_->followers_.erase(this);
    }
    Follower(const Follower&) = delete;
    Follower& operator=(const Follower&) = delete;

    // The number that it reads next.
    void Reached(SequenceNumber next) { next_.store(next, std::memory_order_relaxed); }

   private:
    friend class Followers;

    Followers* const among_;
    const RegionKey key_;
    const TableId table_;
    std::atomic<SequenceNumber> next_;
  };

  struct Look {
    RegionKey key;
    TableId table = 0;
    SequenceNumber next = 0;  // that it reads
  };
  std::vector<Look> All() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    std::vector<Look> looks;
    looks.reserve(followers_.size());
    for (const Follower* follower : followers_) {
      looks.push_back(
          {follower->key_, follower->table_, follower->next_.load(std::memory_order_relaxed)});
    }
    return looks;
  }

 private:
  mutable absl::Mutex mutex_;
  absl::flat_hash_set<const Follower*> followers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace walden
