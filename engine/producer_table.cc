#include "engine/producer_table.h"

#include <algorithm>

#include "engine/log_engine.h"

namespace walden {

ProducerTable::Answer ProducerTable::Look(uint64_t producer, TableId table,
                                          uint64_t sequence) const {
  const auto it = batches_.find(Key(producer, table));
  if (it == batches_.end()) return {};
  const std::deque<Batch>& known = it->second;
  Answer answer;
  answer.highest_sequence = known.back().sequence;
  if (sequence > answer.highest_sequence) return answer;
  answer.verdict = Verdict::kReplaced;
  for (const Batch& batch : known) {
    if (batch.sequence != sequence) continue;
    answer.verdict = Verdict::kRetry;
    answer.original = batch;
  }
  return answer;
}

std::vector<ProducerTable::Batch> ProducerTable::Add(const Batch& batch) {
  const Key key(batch.id, batch.table);
  std::deque<Batch>& known = batches_[key];
  if (!known.empty()) {
    if (batch.sequence <= known.back().sequence) return {};  // remembered twice: metadata and log
    by_recency_.erase({known.back().first, key});
  }
  std::vector<Batch> forgotten;
  known.push_back(batch);
  if (known.size() > kProducerWindowBatches) {
    forgotten.push_back(known.front());
    known.pop_front();
  }
  by_recency_.insert({batch.first, key});
  if (by_recency_.size() > kMaxProducersPerRegion) {
    const auto oldest = batches_.find(by_recency_.begin()->second);
    forgotten.insert(forgotten.end(), oldest->second.begin(), oldest->second.end());
    batches_.erase(oldest);
    by_recency_.erase(by_recency_.begin());
  }
  return forgotten;
}

std::vector<ProducerTable::Batch> ProducerTable::InRange(SequenceNumber first,
                                                         SequenceNumber last) const {
  std::vector<Batch> found;
  for (const auto& [key, known] : batches_) {
    for (const Batch& batch : known) {
      if (batch.last >= first && batch.first <= last) found.push_back(batch);
    }
  }
  std::sort(found.begin(), found.end(), [](const Batch& a, const Batch& b) {
    return std::pair(a.first, a.sequence) < std::pair(b.first, b.sequence);
  });
  return found;
}

}  // namespace walden
