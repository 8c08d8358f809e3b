#include "tests/simulation/answered_batches.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "base/error.h"
#include "tests/simulation/wrong.h"

namespace walden::testing {
namespace {

// A number that no producer reaches.
constexpr uint64_t kFarNumber = 1'000'000;

}  // namespace

Batch AnsweredBatches::Next(Batch batch, uint64_t moment) {
  batch.producer = ProducerTag{id_, next_};
  SentBatch& sent = sent_[next_++];
  sent.moment = latest_ = moment;
  sent.batch = batch;
  sent.batch.region_version.reset();  // a retry must not be fenced
  return batch;
}

absl::Status AnsweredBatches::Answered(const Batch& batch, const BatchResult& result) {
  const uint64_t sequence = batch.producer->sequence;
  SentBatch& sent = sent_.at(sequence);
  if (!result.status.ok()) {
    sent.may_be_stored = result.may_be_stored;
    return absl::OkStatus();
  }
  if (result.duplicate) return Wrong("batch ", sequence, " was taken for a retry");
  sent.numbers = NumbersOf(batch, result);
  sent.answered = true;
  return absl::OkStatus();
}

void AnsweredBatches::EverythingIsDurable() {
  for (auto& [sequence, sent] : sent_) sent.durable |= sent.answered;
}

absl::StatusOr<std::optional<uint64_t>> AnsweredBatches::AskExpected(RegionLog& log) const {
  const Batch far{.payloads = {"far"}, .producer = ProducerTag{id_, kFarNumber}};
  const BatchResult answer = CommitOne(log, far);
  if (HasReason(answer.status, ErrorReason::kProducerForgotten)) return std::nullopt;
  uint64_t expected = 0;
  if (!HasReason(answer.status, ErrorReason::kProducerOutOfOrder) ||
      !absl::SimpleAtoi(ErrorValue(answer.status, "expected_producer_sequence"), &expected)) {
    return Wrong("a batch far out of order is answered with ", ShowStatus(answer.status));
  }
  return expected;
}

absl::Status AnsweredBatches::CheckForgotten(RegionLog& log) const {
  std::vector<Batch> late = {{.payloads = {"late"}, .producer = ProducerTag{id_, next_}},
                             {.payloads = {"late"}, .producer = ProducerTag{id_, 1}}};
  if (!sent_.empty()) late.push_back(sent_.rbegin()->second.batch);
  for (const Batch& batch : late) {
    const BatchResult answer = CommitOne(log, batch);
    if (HasReason(answer.status, ErrorReason::kProducerForgotten)) continue;
    return Wrong("the producer is forgotten, and batch ", batch.producer->sequence,
                 " is answered with ", ShowStatus(answer.status));
  }
  return absl::OkStatus();
}

absl::Status AnsweredBatches::CompareReopened(RegionLog& log, const Events& events) {
  const auto asked = AskExpected(log);
  if (!asked.ok()) return asked.status();
  const std::optional<uint64_t>& expected = *asked;
  if (is_forgotten_ && expected) return Wrong("a forgotten producer is back");
  if (!expected) {
    if (!events.may_be_forgotten) return Wrong("the producer is forgotten");
    is_forgotten_ = true;
    return CheckForgotten(log);
  }
  for (const auto& [sequence, sent] : sent_) {
    if (sequence >= *expected && sent.durable) {
      return Wrong("batch ", *expected, " is expected, though ", sequence, " is durable");
    }
    if (sequence >= *expected && sent.answered && !events.lost_power && !events.call_failed) {
      return Wrong("batch ", *expected, " is expected, though ", sequence, " was answered");
    }
    if (sequence < *expected && !sent.answered && !sent.may_be_stored) {
      return Wrong("batch ", sequence, " is remembered, and was not stored");
    }
  }
  if (*expected > next_) return Wrong("batch ", *expected, " is expected, before ", next_);
  next_ = *expected;
  sent_.erase(sent_.lower_bound(next_), sent_.end());
  if (next_ > kProducerWindowBatches) {
    sent_.erase(sent_.begin(), sent_.lower_bound(next_ - kProducerWindowBatches));
  }
  for (auto& [sequence, sent] : sent_) RETURN_IF_WRONG(Retry(log, sequence, sent));
  return absl::OkStatus();
}

absl::Status AnsweredBatches::Retry(RegionLog& log, uint64_t sequence, SentBatch& sent) const {
  const BatchResult result = CommitOne(log, sent.batch);
  if (!result.status.ok()) {
    return Wrong("a retry of batch ", sequence, ", where ", next_,
                 " is expected, is answered with ", ShowStatus(result.status));
  }
  if (!result.duplicate) return Wrong("batch ", sequence, " was stored twice");
  std::vector<PartResult> numbers = NumbersOf(sent.batch, result);
  if (sent.answered && numbers != sent.numbers) {
    return Wrong("a retry of batch ", sequence, " of ", numbers.size(),
                 " tables is answered with other numbers, the first with ", result.first, "..",
                 result.last);
  }
  sent.numbers = std::move(numbers);
  sent.answered = sent.durable = true;
  return absl::OkStatus();
}

}  // namespace walden::testing
