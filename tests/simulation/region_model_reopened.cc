// Comparing a reopened region with the model, where answers were lost.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tests/simulation/region_model.h"
#include "tests/simulation/wrong.h"

namespace walden::testing {
namespace {

// The records of each table as they were read, taken from the front.
using Found = std::map<TableId, std::pair<std::vector<StoredRecord>, size_t>>;

}  // namespace

absl::Status RegionModel::ResolveReopened(const RegionLog& log, const Trouble& trouble) {
  if (absl::Status wrong = ResolveMarks(log); !wrong.ok()) return wrong;
  if (absl::Status wrong = ResolveBatches(log, trouble); !wrong.ok()) return wrong;
  if (absl::Status wrong = ResolveNumbers(log); !wrong.ok()) return wrong;
  failed_ = false;
  if (!log.HasUnsynced()) EverythingIsDurable();
  ++epoch_;
  return CompareOpen(log);
}

absl::Status RegionModel::ResolveMarks(const RegionLog& log) {
  for (auto& [table, state] : tables_) {
    const SequenceNumber found = log.Position(table).deleted_through;
    if (found != state.mark && (found < state.mark || state.possible_marks.count(found) == 0)) {
      return Wrong("table ", table, ": deleted through ", found, " after reopening, not ",
                   state.mark, state.possible_marks.empty() ? "" : " or an unanswered mark");
    }
    state.mark = found;
    state.possible_marks.clear();
  }
  return absl::OkStatus();
}

absl::Status RegionModel::ResolveBatches(const RegionLog& log, const Trouble& trouble) {
  Found found;
  for (const auto& [table, state] : tables_) found[table];
  for (const StoredBatch& batch : unanswered_) found[batch.table];
  for (auto& [table, records] : found) {
    auto read = ReadTable(log, table);
    if (!read.ok()) return Wrong("read after reopening: ", ShowStatus(read.status()));
    records.first = std::move(*read);
  }

  std::vector<StoredBatch> candidates = std::move(batches_);
  const size_t answered = candidates.size();
  candidates.insert(candidates.end(), unanswered_.begin(), unanswered_.end());
  batches_.clear();
  unanswered_.clear();
  producers_.Reopened(trouble.lost_bytes);
  bool cut = false;  // a batch is missing: no later one may be there
  for (size_t i = 0; i < candidates.size(); ++i) {
    StoredBatch& batch = candidates[i];
    auto& [records, at] = found[batch.table];
    const SequenceNumber mark = tables_[batch.table].mark;
    size_t skip = 0;  // records at its front that are marked deleted
    if (batch.first != 0 && mark >= batch.first) skip = mark - batch.first + 1;
    const std::string name =
        absl::StrCat(i < answered ? "answered" : "unanswered", " batch of table ", batch.table,
                     " from ", batch.first, ", ", batch.payloads.size(), " records");
    if (skip >= batch.payloads.size()) {  // it cannot be seen whether it is there
      if (!batch.durable && batch.producer) producers_.Unseen(*batch.producer);
      batches_.push_back(batch);
      continue;
    }
    const bool starts = at < records.size() && records[at].payload == batch.payloads[skip] &&
                        (batch.first == 0 || records[at].sequence == batch.first + skip);
    if (!starts) {
      if (batch.durable) return Wrong("lost a durable batch: ", name);
      if (i < answered && !trouble.lost_bytes) return Wrong("lost without a power cut: ", name);
      cut |= !batch.may_be_refused;
      if (batch.producer) producers_.Missing(*batch.producer, i < answered);
      continue;
    }
    if (cut) return Wrong("a hole: an earlier batch is missing, but there is ", name);
    if (batch.first == 0) batch.first = records[at].sequence;
    for (size_t k = skip; k < batch.payloads.size(); ++k, ++at) {
      const StoredRecord expected{batch.table, batch.first + k, batch.payloads[k]};
      if (at >= records.size()) return Wrong("a part of a batch: ", name);
      if (!(records[at] == expected)) return Wrong("other bytes in ", name);
    }
    Table& table = tables_[batch.table];
    if (i >= answered && batch.first <= table.highest_answered) {
      return Wrong("a number came back in ", name);
    }
    table.highest_answered = std::max(table.highest_answered, batch.last());
    table.next = std::max(table.next, batch.last() + 1);
    if (batch.producer) {
      absl::Status wrong =
          producers_.Found(*batch.producer, batch.table, batch.first, batch.last());
      if (!wrong.ok()) return wrong;
    }
    batches_.push_back(batch);
  }
  for (const auto& [table, records] : found) {
    if (records.second != records.first.size()) {
      return Wrong("table ", table,
                   ": a record that nobody appended or that was deleted: sequence ",
                   records.first[records.second].sequence);
    }
  }
  return absl::OkStatus();
}

absl::Status RegionModel::ResolveNumbers(const RegionLog& log) {
  constexpr TableId kNeverWritten = 1'000'000;
  unknown_next_ = log.Position(kNeverWritten).next;
  for (auto& [table, state] : tables_) {
    SequenceNumber lowest = state.mark + 1;
    for (const StoredBatch& batch : batches_) {
      if (batch.table == table && batch.durable) lowest = std::max(lowest, batch.last() + 1);
    }
    const SequenceNumber next = log.Position(table).next;
    // It may be higher than what was told: numbers that were reserved are passed over.
    if (next < lowest) {
      return Wrong("table ", table, ": next is ", next, " after reopening, expected at least ",
                   lowest);
    }
    state.next = next;
  }
  const uint64_t version = log.Describe().region_version;
  if (version < version_ || version > possible_version_) {
    return Wrong("region version is ", version, " after reopening, expected ", version_, "..",
                 possible_version_);
  }
  version_ = version;
  possible_version_ = version;
  return absl::OkStatus();
}

absl::Status RegionModel::CompareCutTail(const RegionLog& log) const {
  const uint64_t last_epoch = batches_.empty() ? 0 : batches_.back().epoch;
  bool cut = false;
  for (const StoredBatch& batch : batches_) {
    const std::vector<StoredRecord> live = LiveOf(batch);
    if (live.empty()) continue;
    const auto read =
        ReadAll(log, ReadRange{batch.table, live.front().sequence, live.back().sequence});
    if (!read.ok()) return Wrong("read beside a torn tail: ", ShowStatus(read.status()));
    if (*read == live) {
      if (cut) return Wrong("a hole before table ", batch.table, " sequence ", batch.first);
      continue;
    }
    if (!read->empty()) return Wrong("a part of a batch from ", batch.first);
    if (batch.epoch != last_epoch) {
      return Wrong("taken for a torn tail, but later records prove it was durable: table ",
                   batch.table, " sequence ", batch.first);
    }
    cut = true;
  }
  return absl::OkStatus();
}

}  // namespace walden::testing
