#include "tests/simulation/told_batches.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "base/error.h"
#include "tests/simulation/wrong.h"

namespace walden::testing {
namespace {

// No producer gets so far.
constexpr uint64_t kFarNumber = 1'000'000;

}  // namespace

Batch ToldBatches::Next(Batch batch) {
  batch.producer = ProducerTag{id_, next_};
  Told& told = sent_[next_++];
  told.batch = batch;
  told.batch.region_version.reset();  // a retry must not be fenced
  return batch;
}

absl::Status ToldBatches::Answered(const Batch& batch, const AppendResult& result) {
  if (!result.status.ok()) return absl::OkStatus();
  const uint64_t sequence = batch.producer->sequence;
  if (result.duplicate) return Wrong("batch ", sequence, " was taken for a retry");
  Told& told = sent_.at(sequence);
  told.first = result.first;
  told.last = result.last;
  told.answered = true;
  return absl::OkStatus();
}

void ToldBatches::EverythingIsDurable() {
  for (auto& [sequence, told] : sent_) told.durable |= told.answered;
}

absl::StatusOr<uint64_t> ToldBatches::AskExpected(RegionLog& log) const {
  const Batch far{.payloads = {"far"}, .producer = ProducerTag{id_, kFarNumber}};
  const AppendResult answer = CommitOne(log, far);
  uint64_t expected = 0;
  if (!HasReason(answer.status, ErrorReason::kProducerOutOfOrder) ||
      !absl::SimpleAtoi(ErrorValue(answer.status, "expected_producer_sequence"), &expected)) {
    return Wrong("a batch far out of order is answered with ", ShowStatus(answer.status));
  }
  return expected;
}

absl::Status ToldBatches::CompareReopened(RegionLog& log, bool lost_power, bool call_failed) {
  const auto expected = AskExpected(log);
  if (!expected.ok()) return expected.status();
  for (const auto& [sequence, told] : sent_) {
    if (sequence >= *expected && told.durable) {
      return Wrong("batch ", *expected, " is expected, though ", sequence, " is durable");
    }
    if (sequence >= *expected && told.answered && !lost_power && !call_failed) {
      return Wrong("batch ", *expected, " is expected, though ", sequence, " was answered");
    }
    if (sequence < *expected && !told.answered && !call_failed) {
      return Wrong("batch ", sequence, " is remembered, and was not stored");
    }
  }
  if (*expected > next_) return Wrong("batch ", *expected, " is expected, before ", next_);
  next_ = *expected;
  sent_.erase(sent_.lower_bound(next_), sent_.end());
  if (next_ > kProducerWindowBatches) {
    sent_.erase(sent_.begin(), sent_.lower_bound(next_ - kProducerWindowBatches));
  }
  for (auto& [sequence, told] : sent_) RETURN_IF_WRONG(Retry(log, sequence, told));
  return absl::OkStatus();
}

absl::Status ToldBatches::Retry(RegionLog& log, uint64_t sequence, Told& told) const {
  const AppendResult result = CommitOne(log, told.batch);
  if (!result.status.ok()) {
    return Wrong("a retry of batch ", sequence, ", where ", next_,
                 " is expected, is answered with ", ShowStatus(result.status));
  }
  if (!result.duplicate) return Wrong("batch ", sequence, " was stored twice");
  if (told.answered && (result.first != told.first || result.last != told.last)) {
    return Wrong("a retry of batch ", sequence, " is answered with numbers ", result.first, "..",
                 result.last, ", not ", told.first, "..", told.last);
  }
  told.first = result.first;
  told.last = result.last;
  told.answered = told.durable = true;
  return absl::OkStatus();
}

}  // namespace walden::testing
