// What a region remembers of its producers' batches, so that a retry is answered with the original
// numbers. Bounded: kProducerWindowBatches per producer and table, kMaxProducersPerRegion of those,
// the most recent by sequence number (so that a reopened region remembers the same).
// One thread at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "engine/types.h"

namespace walden {

// A batch that a producer sent, and the numbers it got.
struct ProducerBatch {
  uint64_t id = 0;
  TableId table = 0;
  uint64_t sequence = 0;
  SequenceNumber first = 0;
  SequenceNumber last = 0;
};

class ProducerTable {
 public:
  using Batch = ProducerBatch;

  enum class Verdict {
    kNew,       // append it
    kRetry,     // `original` has its numbers
    kReplaced,  // older than what is remembered, or never sent: refuse
  };
  struct Answer {
    Verdict verdict = Verdict::kNew;
    Batch original;
    uint64_t highest_sequence = 0;
  };
  Answer Look(uint64_t producer, TableId table, uint64_t sequence) const;

  // Batches of one producer and table come in order of their sequence. Returns what is forgotten to
  // make room.
  std::vector<Batch> Add(const Batch& batch);

  // Batches with records in [first, last].
  std::vector<Batch> InRange(SequenceNumber first, SequenceNumber last) const;

 private:
  using Key = std::pair<uint64_t, TableId>;
  absl::flat_hash_map<Key, std::deque<Batch>> batches_;
  std::set<std::pair<SequenceNumber, Key>> by_recency_;
};

}  // namespace walden
