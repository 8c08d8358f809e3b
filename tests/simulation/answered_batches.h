// The batches of one producer and their answers, by the producer's numbers. A reopened region must
// agree with them:
//
// - The number that it expects is after every batch that was answered as durable, and not after one
//   that was never sent, or whose answer says that it is not stored.
// - A retry of each of the last kProducerWindowBatches batches before that number is answered as a
//   duplicate, with the same numbers of its records as before.
// - A number that a region has expected is durable from then on.
// - A producer that the region has forgotten stays forgotten, whatever number it sends.
//
// One thread.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/log_engine.h"
#include "tests/support/log_verbs.h"

namespace walden::testing {

class AnsweredBatches {
 public:
  // Moments rise with what is stored in the region. `issued`: when the id was issued.
  AnsweredBatches(uint64_t id, uint64_t issued) : id_(id), issued_(issued), latest_(issued) {}

  uint64_t id() const { return id_; }
  bool is_forgotten() const { return is_forgotten_; }
  // The moment of its last batch, or of its issue. In a region that was just compared it is that of
  // the last batch that is left.
  uint64_t last_active() const { return sent_.empty() ? issued_ : sent_.rbegin()->second.moment; }
  // The latest moment at which it was ever active, also by batches that a crash took.
  uint64_t latest_active() const { return latest_; }

  // The batch with the next number of the producer.
  Batch Next(Batch batch, uint64_t moment);

  absl::Status Answered(const Batch& batch, const BatchResult& result);
  // Notes that Sync or Close, or a durable batch, was answered.
  void EverythingIsDurable();

  // What happened since the region was opened.
  struct Events {
    bool lost_power = false;
    bool call_failed = false;       // a sync too
    bool may_be_forgotten = false;  // ids were issued beyond what a region remembers
  };
  // Retries the whole window; afterwards it holds what was found.
  absl::Status CompareReopened(RegionLog& log, const Events& events);

 private:
  struct SentBatch {
    Batch batch;
    uint64_t moment = 0;
    std::vector<PartResult> numbers;  // once it is answered
    bool answered = false;            // with OK
    bool durable = false;
    bool may_be_stored = true;  // if it is not answered with OK
  };

  // nullopt: the producer is forgotten.
  absl::StatusOr<std::optional<uint64_t>> AskExpected(RegionLog& log) const;
  absl::Status CheckForgotten(RegionLog& log) const;
  absl::Status Retry(RegionLog& log, uint64_t sequence, SentBatch& sent) const;

  uint64_t id_;
  uint64_t issued_;
  uint64_t latest_;
  bool is_forgotten_ = false;
  uint64_t next_ = 1;
  std::map<uint64_t, SentBatch> sent_;
};

}  // namespace walden::testing
