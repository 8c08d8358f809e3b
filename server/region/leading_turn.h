// Lets the thread that posts a job process the mailbox of the region itself.
#pragma once

#include <atomic>
#include <memory>

namespace walden {

// Bounds the threads that lead at the same time, over all regions. gRPC's callback API has few
// polling threads (half the number of processors, at least two), and one must always be polling.
class LeaderSlots {
 public:
  explicit LeaderSlots(int slots) : free_(slots) {}

  bool TryEnter() {
    int free = free_.load(std::memory_order_relaxed);
    while (free > 0) {
      if (free_.compare_exchange_weak(free, free - 1, std::memory_order_acquire)) return true;
    }
    return false;
  }
  void Leave() { free_.fetch_add(1, std::memory_order_release); }

 private:
  std::atomic<int> free_;
};

class RegionActor;

// The right of a posting thread to process a region's mailbox, which saves a hand-over between
// threads. Blocks in writes and syncs. One thread at a time.
class LeadingTurn {
 public:
  LeadingTurn() = default;
  LeadingTurn(const LeadingTurn&) = delete;
  LeadingTurn& operator=(const LeadingTurn&) = delete;
  // Hands a turn that was granted and not run to the executor.
  ~LeadingTurn();

  bool granted() const { return actor_ != nullptr; }

  // Runs the jobs that wait or arrive meanwhile, for at most `max_groups` commits. The executor
  // runs the rest. Does nothing if no turn was granted.
  void Run(int max_groups);

 private:
  friend class RegionActor;
  std::shared_ptr<RegionActor> actor_;
};

}  // namespace walden
