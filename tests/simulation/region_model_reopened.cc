// Comparing a reopened region with the model, where answers were lost.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tests/simulation/region_model.h"
#include "tests/simulation/wrong.h"

namespace walden::testing {
namespace {

// The records of each table as they were read, taken from the front.
using FoundTable = std::pair<std::vector<StoredRecord>, size_t>;
using Found = std::map<TableId, FoundTable>;

std::string Show(const RegionModel::StoredBatch& batch) {
  std::string shown;
  for (const RegionModel::StoredPart& part : batch.parts) {
    absl::StrAppend(&shown, shown.empty() ? "" : " and ", "of table ", part.table, " from ",
                    part.first, ", ", part.payloads.size(), " records");
  }
  return shown;
}

// The number of records at its front that are marked deleted.
size_t Hidden(const RegionModel::StoredPart& part, SequenceNumber mark) {
  if (part.first == 0 || mark < part.first) return 0;
  return std::min<size_t>(mark - part.first + 1, part.payloads.size());
}

// Whether the table goes on with the part, but for its first `skip` records.
bool Starts(const RegionModel::StoredPart& part, size_t skip, const FoundTable& found) {
  const auto& [records, at] = found;
  return at < records.size() && records[at].payload == part.payloads[skip] &&
         (part.first == 0 || records[at].sequence == part.first + skip);
}

// Takes the part's records from the front. Sets its numbers if they are not known.
absl::Status Take(RegionModel::StoredPart& part, size_t skip, FoundTable& found,
                  const std::string& name) {
  auto& [records, at] = found;
  if (part.first == 0) part.first = records[at].sequence;
  for (size_t k = skip; k < part.payloads.size(); ++k, ++at) {
    const StoredRecord expected{part.table, part.first + k, part.payloads[k]};
    if (at >= records.size()) return Wrong("a part of a batch: ", name);
    if (!(records[at] == expected)) return Wrong("other bytes in ", name);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RegionModel::ResolveReopened(const RegionLog& log, const Trouble& trouble) {
  if (absl::Status wrong = ResolveMarks(log); !wrong.ok()) return wrong;
  if (absl::Status wrong = ResolveBatches(log, trouble); !wrong.ok()) return wrong;
  if (absl::Status wrong = ResolveNumbers(log); !wrong.ok()) return wrong;
  failed_ = false;
  if (!log.HasUnsynced()) EverythingIsDurable();
  ++epoch_;
  for (StoredBatch& batch : batches_) batch.proven_from = std::min(batch.proven_from, epoch_);
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
  for (const StoredBatch& batch : unanswered_) {
    for (const StoredPart& part : batch.parts) found[part.table];
  }
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
  bool cut = false;            // a batch is missing: no later one may be there
  SequenceNumber highest = 0;  // of the batches that are there
  for (size_t i = 0; i < candidates.size(); ++i) {
    StoredBatch& batch = candidates[i];
    const std::string name =
        absl::StrCat(i < answered ? "answered" : "unanswered", " batch ", Show(batch));
    bool is_there = false;
    bool is_missing = false;
    for (const StoredPart& part : batch.parts) {
      const size_t skip = Hidden(part, tables_[part.table].mark);
      if (skip == part.payloads.size()) continue;
      (Starts(part, skip, found[part.table]) ? is_there : is_missing) = true;
    }
    if (is_there && is_missing) return Wrong("there in some of its tables only: ", name);
    if (!is_there && !is_missing) {  // it cannot be seen whether it is there
      if (!batch.durable && batch.producer) producers_.Unseen(*batch.producer);
      batches_.push_back(batch);
      continue;
    }
    if (is_missing) {
      if (batch.durable) return Wrong("lost a durable batch: ", name);
      if (i < answered && !trouble.lost_bytes) return Wrong("lost without a power cut: ", name);
      cut |= !batch.may_be_refused;
      if (batch.producer) producers_.Missing(*batch.producer, i < answered);
      continue;
    }
    if (cut) return Wrong("a hole: an earlier batch is missing, but there is ", name);
    std::map<TableId, PartResult> numbers;
    for (StoredPart& part : batch.parts) {
      Table& table = tables_[part.table];
      RETURN_IF_WRONG(Take(part, Hidden(part, table.mark), found[part.table], name));
      if (i >= answered && part.first <= table.highest_answered) {
        return Wrong("a number came back in ", name);
      }
      // The tables of a region have their numbers together, unless regions share them.
      if (!shared_numbers_ && part.first <= highest) return Wrong("out of order: ", name);
      highest = part.last();
      table.highest_answered = std::max(table.highest_answered, part.last());
      table.next = std::max(table.next, part.last() + 1);
      numbers[part.table] = {part.first, part.last()};
    }
    if (batch.producer) RETURN_IF_WRONG(producers_.Found(*batch.producer, numbers));
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
      for (const StoredPart& part : batch.parts) {
        if (part.table == table && batch.durable) lowest = std::max(lowest, part.last() + 1);
      }
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
  begun_version_ = version;
  return absl::OkStatus();
}

absl::Status RegionModel::CompareCutTail(const RegionLog& log) const {
  const uint64_t last_epoch = batches_.empty() ? 0 : batches_.back().epoch;
  bool cut = false;
  for (const StoredBatch& batch : batches_) {
    bool is_there = false;
    bool is_missing = false;
    for (const StoredPart& part : batch.parts) {
      const std::vector<StoredRecord> live = LiveOf(part);
      if (live.empty()) continue;
      const auto read =
          ReadAll(log, ReadRange{part.table, live.front().sequence, live.back().sequence});
      if (!read.ok()) return Wrong("read beside a torn tail: ", ShowStatus(read.status()));
      if (*read != live && !read->empty()) return Wrong("a part of a batch from ", part.first);
      (*read == live ? is_there : is_missing) = true;
    }
    if (is_there && is_missing) return Wrong("there in some of its tables only: ", Show(batch));
    if (is_there && cut) return Wrong("a hole before ", Show(batch));
    if (!is_missing) continue;
    if (batch.proven_from <= last_epoch) {
      return Wrong("taken for a torn tail, but later records prove it was durable: ", Show(batch));
    }
    cut = true;
  }
  return absl::OkStatus();
}

}  // namespace walden::testing
