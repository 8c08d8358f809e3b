// The producers that a region remembers and their last batches, so that a retry is answered with
// the original numbers and nothing is stored twice (proto/walden/v1/wal.proto: Producer).
//
// An id is remembered from its issue until it is forgotten, and never again after that. When one id
// more than kMaxProducersPerRegion is issued, the least recently active id is forgotten. The engine
// stores issued and forgotten ids. A reopened region replays them and its batches, and so remembers
// the same. One thread at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "engine/log_engine.h"
#include "engine/types.h"

namespace walden {

// The numbers that a batch got in one table.
struct ProducerRange {
  TableId table = 0;
  SequenceNumber first = 0;
  SequenceNumber last = 0;

  uint64_t records() const { return last + 1 - first; }
};

// A batch that a producer sent, and the numbers that it got.
struct ProducerBatch {
  uint64_t id = 0;
  uint64_t sequence = 0;
  uint64_t order = 0;  // rises with activity in the region; each engine has its own count
  // Each table once. None: the producer passed over the number.
  std::vector<ProducerRange> tables;

  // The table's numbers; null if the batch has no records of it.
  const ProducerRange* Find(TableId table) const;
  uint64_t records() const;
};

// The batch as the producer sent it, with its numbers.
ProducerBatch RememberedBatch(const AppendBatch& batch, uint64_t order);

class ProducerTable {
 public:
  using Batch = ProducerBatch;

  enum class Verdict {
    kNew,         // the next one: append it
    kRetry,       // `original` has its numbers
    kDiffers,     // `original` has the same number, and other tables or numbers of records
    kOutOfOrder,  // earlier ones are missing: `expected` is the next
    kForgotten,   // the id is not remembered, or the batch is older than its window
  };
  struct Answer {
    Verdict verdict = Verdict::kForgotten;
    Batch original;
    uint64_t expected = 0;  // 0: the id is not remembered
  };
  // The order of the tables does not matter. No tables: the batch passes over its number.
  Answer Look(uint64_t id, uint64_t sequence, absl::Span<const TableAppend> tables) const;

  // The id to issue next: above every one that was issued, and not below the clock, so that a
  // region that lost its past (dropped, restored) does not repeat ids.
  uint64_t NextId(int64_t unix_micros) const;
  // The id to be forgotten before another one is issued; nullopt while there is room.
  std::optional<uint64_t> NextToForget() const;
  void Issue(uint64_t id, uint64_t order);
  // Notes that ids through this one were issued, remembered or not.
  void RaiseIssuedThrough(uint64_t id);
  void Forget(uint64_t id);
  // The remembered batches of the id, rising.
  std::vector<Batch> BatchesOf(uint64_t id) const;

  // Adds a batch, and returns the batches that leave the producer's window for it. Ignores batches
  // of ids that are not remembered, and batches that were added before.
  std::vector<Batch> Add(const Batch& batch);

  // Remembered batches with records in one of the ranges (both inclusive, rising, not overlapping).
  using Range = std::pair<SequenceNumber, SequenceNumber>;
  std::vector<Batch> InRanges(absl::Span<const Range> ranges) const;

  size_t size() const { return producers_.size(); }

 private:
  struct Producer {
    uint64_t highest = 0;  // batch that was stored or passed over
    uint64_t order = 0;
    std::deque<Batch> batches;  // the last ones, without gaps
    size_t tables = 0;          // of these batches
  };

  void Touch(uint64_t id, Producer& producer, uint64_t order);

  absl::flat_hash_map<uint64_t, Producer> producers_;
  std::set<std::pair<uint64_t, uint64_t>> by_recency_;  // order, id
  uint64_t issued_through_ = 0;
};

}  // namespace walden
