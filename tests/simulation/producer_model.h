// A model of the batches that a region may and must remember of its producers
// (proto/walden/v1/wal.proto: Producer).
//
// Where an answer was lost a batch is uncertain: stored, or not. Single-threaded.
#pragma once

#include <map>

#include "absl/status/status.h"
#include "engine/log_engine.h"
#include "tests/support/log_verbs.h"

namespace walden::testing {

class ProducerModel {
 public:
  // Notes that an id was issued.
  absl::Status Opened(uint64_t id);

  // Whether the batch must be answered as a retry.
  bool IsCertain(const Batch& batch) const;
  // Whether the batch may be answered as a retry.
  bool IsKnown(const Batch& batch) const;
  // Whether the producer's state gives no reason to refuse the batch.
  bool MustBeNext(const Batch& batch) const;
  // The number that the producer may have to send next.
  uint64_t Expected(uint64_t id) const;

  absl::Status CheckAccepted(const Batch& batch, const BatchResult& result);
  absl::Status CheckDuplicate(const Batch& batch, const BatchResult& result);
  // Checks the refusal PRODUCER_OUT_OF_ORDER or PRODUCER_FORGOTTEN.
  absl::Status CheckRefused(const Batch& batch, const absl::Status& status) const;
  // Whether the batch has the number of another one, and differs from it.
  bool Differs(const Batch& batch) const;
  // Notes that the batch was refused for that, which says that the other one is there.
  void RefusedAsDifferent(const Batch& batch);

  // Notes that the batch was sent and not answered.
  void Unanswered(const Batch& batch);
  void EverythingIsDurable();

  // Notes whether a reopened region holds the batch, does not hold it, or does not show it.
  absl::Status Found(const ProducerTag& tag, const std::map<TableId, PartResult>& numbers);
  void Missing(const ProducerTag& tag, bool was_answered);
  void Unseen(const ProducerTag& tag);
  // Call it before Found after a reopening: numbers that were passed over are not shown.
  void Reopened(bool lost_bytes);

 private:
  struct Part {
    uint64_t records = 0;
    PartResult numbers;  // 0: never answered
  };
  struct Numbers {
    std::map<TableId, Part> parts;  // none: passed over
    bool certain = true;
    bool durable = false;
  };
  using Batches = std::map<uint64_t, Numbers>;  // by number

  const Numbers* Find(const Batch& batch) const;
  static std::map<TableId, Part> Parts(const Batch& batch, const BatchResult& result);
  static uint64_t LowestNext(const Batches& batches);
  static uint64_t HighestNext(const Batches& batches);

  std::map<uint64_t, Batches> producers_;  // ids that are remembered for sure
};

}  // namespace walden::testing
