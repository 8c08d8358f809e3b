#include "engine/common/producer_table.h"

#include <algorithm>
#include <utility>

namespace walden {
namespace {

bool IsSame(const ProducerBatch& stored, absl::Span<const TableAppend> tables) {
  if (stored.tables.size() != tables.size()) return false;
  return std::all_of(tables.begin(), tables.end(), [&](const TableAppend& append) {
    const ProducerRange* const range = stored.Find(append.table);
    return range != nullptr && range->records() == append.payloads.size();
  });
}

}  // namespace

const ProducerRange* ProducerBatch::Find(TableId table) const {
  const auto found =
      std::find_if(tables.begin(), tables.end(),
                   [table](const ProducerRange& range) { return range.table == table; });
  return found == tables.end() ? nullptr : &*found;
}

uint64_t ProducerBatch::records() const {
  uint64_t count = 0;
  for (const ProducerRange& range : tables) count += range.records();
  return count;
}

ProducerBatch RememberedBatch(const AppendBatch& batch, uint64_t order) {
  ProducerBatch remembered{
      .id = batch.producer->id, .sequence = batch.producer->sequence, .order = order, .tables = {}};
  remembered.tables.reserve(batch.tables.size());
  for (const TableAppend& append : batch.tables) {
    remembered.tables.push_back({append.table, append.first, append.last});
  }
  return remembered;
}

ProducerTable::Answer ProducerTable::Look(uint64_t id, uint64_t sequence,
                                          absl::Span<const TableAppend> tables) const {
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
  answer.verdict = IsSame(answer.original, tables) ? Verdict::kRetry : Verdict::kDiffers;
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

std::vector<ProducerTable::Batch> ProducerTable::Add(const Batch& batch) {
  std::vector<Batch> past;
  const auto found = producers_.find(batch.id);
  if (found == producers_.end()) return past;
  Producer& producer = found->second;
  if (batch.sequence <= producer.highest) return past;
  // After a gap the earlier batches are not the last ones before it.
  const bool is_behind_gap = batch.sequence != producer.highest + 1;
  producer.highest = batch.sequence;
  producer.batches.push_back(batch);
  producer.tables += batch.tables.size();
  Touch(batch.id, producer, batch.order);
  const auto is_in_window = [&] {
    if (is_behind_gap) return producer.batches.size() == 1;
    return producer.batches.size() <= kProducerWindowBatches &&
           producer.tables <= kProducerWindowTables;
  };
  while (!is_in_window()) {
    producer.tables -= producer.batches.front().tables.size();
    past.push_back(std::move(producer.batches.front()));
    producer.batches.pop_front();
  }
  return past;
}

void ProducerTable::Touch(uint64_t id, Producer& producer, uint64_t order) {
  by_recency_.erase({producer.order, id});
  producer.order = order;
  by_recency_.insert({order, id});
}

std::vector<ProducerTable::Batch> ProducerTable::InRanges(absl::Span<const Range> ranges) const {
  const auto is_in_ranges = [ranges](const ProducerRange& numbers) {
    const auto range = std::lower_bound(
        ranges.begin(), ranges.end(), numbers.first,
        [](const Range& before, SequenceNumber first) { return before.second < first; });
    return range != ranges.end() && range->first <= numbers.last;
  };
  std::vector<Batch> found;
  for (const auto& [id, producer] : producers_) {
    for (const Batch& batch : producer.batches) {
      if (std::any_of(batch.tables.begin(), batch.tables.end(), is_in_ranges)) {
        found.push_back(batch);
      }
    }
  }
  std::sort(found.begin(), found.end(), [](const Batch& a, const Batch& b) {
    return std::pair(a.id, a.sequence) < std::pair(b.id, b.sequence);
  });
  return found;
}

}  // namespace walden
