#include "engine/common/producer_table.h"

#include <algorithm>

#include "engine/log_engine.h"

namespace walden {

ProducerTable::Answer ProducerTable::Look(uint64_t id, uint64_t sequence, TableId table,
                                          uint64_t records) const {
  Answer answer;
  const auto found = producers_.find(id);
  if (found == producers_.end()) return answer;
  const Producer& producer = found->second;
  answer.expected = producer.highest + 1;
  if (sequence >= answer.expected) {
    answer.verdict = sequence == answer.expected ? Verdict::kNew : Verdict::kOutOfOrder;
    return answer;
  }
  const uint64_t back = producer.highest - sequence;
  if (back >= producer.batches.size()) return answer;
  answer.original = producer.batches[producer.batches.size() - 1 - back];
  const bool same =
      answer.original.records() == records && (records == 0 || answer.original.table == table);
  answer.verdict = same ? Verdict::kRetry : Verdict::kDiffers;
  return answer;
}

uint64_t ProducerTable::NextId(int64_t unix_micros) const {
  const uint64_t clock = unix_micros > 0 ? static_cast<uint64_t>(unix_micros) : 0;
  return std::max(issued_through_ + 1, clock);
}

std::optional<uint64_t> ProducerTable::NextToForget() const {
  if (producers_.size() < kMaxProducersPerRegion) return std::nullopt;
  return by_recency_.begin()->second;
}

void ProducerTable::RaiseIssuedThrough(uint64_t id) {
  issued_through_ = std::max(issued_through_, id);
}

void ProducerTable::Issue(uint64_t id, uint64_t order) {
  RaiseIssuedThrough(id);
  const auto [producer, added] = producers_.try_emplace(id);
  if (added) Touch(id, producer->second, order);
}

void ProducerTable::Forget(uint64_t id) {
  const auto found = producers_.find(id);
  if (found == producers_.end()) return;
  by_recency_.erase({found->second.order, id});
  producers_.erase(found);
}

std::vector<ProducerTable::Batch> ProducerTable::BatchesOf(uint64_t id) const {
  const auto found = producers_.find(id);
  if (found == producers_.end()) return {};
  return {found->second.batches.begin(), found->second.batches.end()};
}

void ProducerTable::Add(const Batch& batch) {
  const auto found = producers_.find(batch.id);
  if (found == producers_.end()) return;
  Producer& producer = found->second;
  if (batch.sequence <= producer.highest) return;
  // After a gap the earlier batches are not the last ones before it.
  if (batch.sequence != producer.highest + 1) producer.batches.clear();
  producer.highest = batch.sequence;
  producer.batches.push_back(batch);
  Touch(batch.id, producer, batch.order);
  if (producer.batches.size() > kProducerWindowBatches) producer.batches.pop_front();
}

void ProducerTable::Touch(uint64_t id, Producer& producer, uint64_t order) {
  by_recency_.erase({producer.order, id});
  producer.order = order;
  by_recency_.insert({order, id});
}

std::vector<ProducerTable::Batch> ProducerTable::InRanges(absl::Span<const Range> ranges) const {
  std::vector<Batch> found;
  for (const auto& [id, producer] : producers_) {
    for (const Batch& batch : producer.batches) {
      if (batch.records() == 0) continue;
      const auto range = std::lower_bound(
          ranges.begin(), ranges.end(), batch.first,
          [](const Range& before, SequenceNumber first) { return before.second < first; });
      if (range != ranges.end() && range->first <= batch.last) found.push_back(batch);
    }
  }
  std::sort(found.begin(), found.end(), [](const Batch& a, const Batch& b) {
    return std::pair(a.id, a.sequence) < std::pair(b.id, b.sequence);
  });
  return found;
}

}  // namespace walden
