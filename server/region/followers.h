// Who stays at the end of a table's log, and how far each has come: for whoever watches.
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
  // One follower, from its construction to its end. Reached is its own thread's; it never blocks.
  class Place {
   public:
    Place(Followers* among, const RegionKey& key, TableId table, SequenceNumber next)
        : among_(among), key_(key), table_(table), next_(next) {
      absl::MutexLock lock(&among_->mutex_);
      among_->places_.insert(this);
    }
    ~Place() {
      absl::MutexLock lock(&among_->mutex_);
      among_->places_.erase(this);
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

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
    looks.reserve(places_.size());
    for (const Place* place : places_) {
      looks.push_back({place->key_, place->table_, place->next_.load(std::memory_order_relaxed)});
    }
    return looks;
  }

 private:
  mutable absl::Mutex mutex_;
  absl::flat_hash_set<const Place*> places_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace walden
