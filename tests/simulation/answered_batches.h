// The batches of one producer and their answers, by the producer's numbers. A reopened region must
// agree with them:
//
// - The number that it expects is after every batch that was answered as durable, and not after one
//   that was never sent.
// - A retry of each of the last kProducerWindowBatches batches before that number is answered as a
//   duplicate, with the same numbers of its records as before.
// - A number that a region has expected is durable from then on.
//
// One thread.
#pragma once

#include <map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/log_engine.h"
#include "tests/support/log_verbs.h"

namespace walden::testing {

class AnsweredBatches {
 public:
  explicit AnsweredBatches(uint64_t id) : id_(id) {}

  uint64_t id() const { return id_; }

  // The batch with the next number of the producer.
  Batch Next(Batch batch);

  absl::Status Answered(const Batch& batch, const BatchResult& result);
  // Notes that Sync or Close, or a durable batch, was answered.
  void EverythingIsDurable();

  // Retries the whole window; afterwards it holds what was found. `call_failed`: batches whose
  // answer was an error may be stored.
  absl::Status CompareReopened(RegionLog& log, bool lost_power, bool call_failed);

 private:
  struct SentBatch {
    Batch batch;
    std::vector<PartResult> numbers;  // once it is answered
    bool answered = false;
    bool durable = false;
  };

  absl::StatusOr<uint64_t> AskExpected(RegionLog& log) const;
  absl::Status Retry(RegionLog& log, uint64_t sequence, SentBatch& sent) const;

  const uint64_t id_;
  uint64_t next_ = 1;
  std::map<uint64_t, SentBatch> sent_;
};

}  // namespace walden::testing
