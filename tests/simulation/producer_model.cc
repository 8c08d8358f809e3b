#include "tests/simulation/producer_model.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "tests/simulation/wrong.h"

namespace walden::testing {

uint64_t ProducerModel::LowestNext(const Batches& batches) {
  uint64_t next = 1;
  for (const auto& [sequence, numbers] : batches) {
    if (numbers.certain) next = sequence + 1;
  }
  return next;
}

uint64_t ProducerModel::HighestNext(const Batches& batches) {
  return batches.empty() ? 1 : batches.rbegin()->first + 1;
}

absl::Status ProducerModel::Opened(uint64_t id) {
  if (!producers_.empty() && id <= producers_.rbegin()->first) {
    return Wrong("producer id ", id, " does not rise");
  }
  producers_[id];
  return absl::OkStatus();
}

const ProducerModel::Numbers* ProducerModel::Find(const Batch& batch) const {
  if (!batch.producer) return nullptr;
  const auto producer = producers_.find(batch.producer->id);
  if (producer == producers_.end()) return nullptr;
  const auto numbers = producer->second.find(batch.producer->sequence);
  return numbers == producer->second.end() ? nullptr : &numbers->second;
}

bool ProducerModel::IsKnown(const Batch& batch) const { return Find(batch) != nullptr; }

bool ProducerModel::IsCertain(const Batch& batch) const {
  const Numbers* const numbers = Find(batch);
  if (numbers == nullptr || Differs(batch)) return false;
  return batch.producer->sequence < LowestNext(producers_.at(batch.producer->id));
}

bool ProducerModel::Differs(const Batch& batch) const {
  const Numbers* const numbers = Find(batch);
  if (numbers == nullptr) return false;
  const std::vector<BatchPart> parts = PartsOf(batch);
  if (numbers->parts.size() != parts.size()) return true;
  return std::any_of(parts.begin(), parts.end(), [numbers](const BatchPart& part) {
    const auto known = numbers->parts.find(part.table);
    return known == numbers->parts.end() || known->second.records != part.payloads.size();
  });
}

void ProducerModel::RefusedAsDifferent(const Batch& batch) {
  for (auto& [sequence, numbers] : producers_.at(batch.producer->id)) {
    if (sequence <= batch.producer->sequence) numbers.certain = true;
  }
}

std::map<TableId, ProducerModel::Part> ProducerModel::Parts(const Batch& batch,
                                                            const BatchResult& result) {
  const std::vector<BatchPart> parts = PartsOf(batch);
  const std::vector<PartResult> numbers = NumbersOf(batch, result);
  std::map<TableId, Part> made;
  for (size_t i = 0; i < parts.size(); ++i) {
    made[parts[i].table] = {.records = parts[i].payloads.size(),
                            .numbers = i < numbers.size() ? numbers[i] : PartResult{}};
  }
  return made;
}

bool ProducerModel::MustBeNext(const Batch& batch) const {
  if (!batch.producer) return true;
  const auto producer = producers_.find(batch.producer->id);
  if (producer == producers_.end()) return false;
  const uint64_t sequence = batch.producer->sequence;
  return sequence == LowestNext(producer->second) && sequence == HighestNext(producer->second);
}

uint64_t ProducerModel::Expected(uint64_t id) const {
  const auto producer = producers_.find(id);
  return producer == producers_.end() ? 1 : LowestNext(producer->second);
}

absl::Status ProducerModel::CheckAccepted(const Batch& batch, const BatchResult& result) {
  if (!batch.producer) return absl::OkStatus();
  const uint64_t sequence = batch.producer->sequence;
  const auto producer = producers_.find(batch.producer->id);
  if (producer == producers_.end()) return Wrong("a batch of an id that was never issued");
  Batches& batches = producer->second;
  if (sequence < LowestNext(batches)) return Wrong("a producer's number was stored twice");
  if (sequence > HighestNext(batches)) return Wrong("a producer's number was skipped");
  batches.erase(batches.lower_bound(sequence), batches.end());
  for (auto& [before, numbers] : batches) numbers.certain = true;
  batches[sequence] = {.parts = Parts(batch, result), .durable = result.durable};
  return absl::OkStatus();
}

absl::Status ProducerModel::CheckDuplicate(const Batch& batch, const BatchResult& result) {
  const Numbers* const numbers = Find(batch);
  if (numbers == nullptr) return Wrong("taken for a retry, but it is none");
  if (Differs(batch)) return Wrong("taken for a retry of another batch");
  for (const auto& [table, part] : Parts(batch, result)) {
    const PartResult& known = numbers->parts.at(table).numbers;
    if (part.numbers == known) continue;
    return Wrong("a retry was answered with numbers ", part.numbers.first, "..", part.numbers.last,
                 " of table ", table, ", not ", known.first, "..", known.last);
  }
  // A batch that a crash may have taken is there after all, and so are those before it.
  Batches& batches = producers_.at(batch.producer->id);
  for (auto& [sequence, known] : batches) {
    if (sequence > batch.producer->sequence) break;
    known.certain = true;
    known.durable |= result.durable;
  }
  return absl::OkStatus();
}

absl::Status ProducerModel::CheckRefused(const Batch& batch, const absl::Status& status) const {
  if (!batch.producer) return Wrong("refused for its producer, and has none");
  const uint64_t sequence = batch.producer->sequence;
  const auto producer = producers_.find(batch.producer->id);
  if (HasReason(status, ErrorReason::kProducerForgotten)) {
    const bool may = producer == producers_.end() ||
                     sequence + kProducerWindowBatches < HighestNext(producer->second);
    return may ? absl::OkStatus() : Wrong("forgotten without cause");
  }
  if (producer == producers_.end()) return Wrong("an id that was never issued is remembered");
  uint64_t expected = 0;
  if (!absl::SimpleAtoi(ErrorValue(status, "expected_producer_sequence"), &expected)) {
    return Wrong("refused out of order, and the expected number is not said");
  }
  const bool right = expected != sequence && expected >= LowestNext(producer->second) &&
                     expected <= HighestNext(producer->second);
  return right ? absl::OkStatus()
               : Wrong("refused out of order: ", expected, " cannot be expected");
}

void ProducerModel::Unanswered(const Batch& batch) {
  if (!batch.producer) return;
  const auto producer = producers_.find(batch.producer->id);
  if (producer == producers_.end()) return;
  const uint64_t sequence = batch.producer->sequence;
  Batches& batches = producer->second;
  if (sequence < LowestNext(batches) || sequence > HighestNext(batches)) return;
  batches.try_emplace(sequence, Numbers{.parts = Parts(batch, {}), .certain = false});
}

void ProducerModel::EverythingIsDurable() {
  for (auto& [id, batches] : producers_) {
    for (auto& [sequence, numbers] : batches) numbers.durable |= numbers.certain;
  }
}

void ProducerModel::Reopened(bool lost_bytes) {
  if (!lost_bytes) return;
  for (auto& [id, batches] : producers_) {
    for (auto& [sequence, numbers] : batches) {
      if (numbers.parts.empty() && !numbers.durable) numbers.certain = false;
    }
  }
}

absl::Status ProducerModel::Found(const ProducerTag& tag,
                                  const std::map<TableId, PartResult>& numbers) {
  const auto producer = producers_.find(tag.id);
  if (producer == producers_.end()) return Wrong("a batch of an id that was never issued");
  Batches& batches = producer->second;
  if (tag.sequence > 1 && batches.count(tag.sequence - 1) == 0) {
    return Wrong("batch ", tag.sequence, " of producer ", tag.id, " without the one before");
  }
  Numbers found{.parts = {}, .durable = batches[tag.sequence].durable};
  for (const auto& [table, part] : numbers) {
    found.parts[table] = {.records = part.last - part.first + 1, .numbers = part};
  }
  batches[tag.sequence] = std::move(found);
  return absl::OkStatus();
}

void ProducerModel::Missing(const ProducerTag& tag, bool was_answered) {
  const auto producer = producers_.find(tag.id);
  if (producer == producers_.end()) return;
  const auto numbers = producer->second.find(tag.sequence);
  if (numbers == producer->second.end()) return;
  // A batch that was sent once more may be there from before. One without payloads has no numbers, and
  // is never the one that is missing: nothing shows it.
  const std::map<TableId, Part>& parts = numbers->second.parts;
  const bool is_from_before = parts.empty() || parts.begin()->second.numbers.first != 0;
  if (was_answered || !is_from_before) producer->second.erase(numbers);
}

void ProducerModel::Unseen(const ProducerTag& tag) {
  const auto producer = producers_.find(tag.id);
  if (producer == producers_.end()) return;
  const auto numbers = producer->second.find(tag.sequence);
  if (numbers != producer->second.end()) numbers->second.certain = false;
}

}  // namespace walden::testing
