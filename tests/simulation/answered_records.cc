#include "tests/simulation/answered_records.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/status/statusor.h"
#include "base/error.h"
#include "tests/simulation/wrong.h"

namespace walden::testing {
namespace {

bool IsNamed(const OpeningReport& report, SequenceNumber number) {
  return std::any_of(report.damaged.begin(), report.damaged.end(), [&](const DamagedRange& range) {
    return range.first <= number && number <= range.last;
  });
}

}  // namespace

absl::Status AnsweredRecords::Answered(const std::vector<Batch>& group,
                                       const std::vector<BatchResult>& results,
                                       SequenceNumber durable_before) {
  bool durable = false;
  for (size_t i = 0; i < group.size(); ++i) {
    const BatchResult& result = results[i];
    if (!result.status.ok()) {
      has_failed_ |= HasReason(result.status, ErrorReason::kRegionFailed);
      if (result.may_be_stored) unanswered_.push_back({group[i], /*is_accepted=*/true});
      continue;
    }
    if (has_failed_) return Wrong("batch ", i, " was accepted after another one had failed");
    durable |= result.durable;
    if (group[i].durability == Durability::kSync && !result.durable) {
      return Wrong("batch ", i, " asked for SYNC and was answered without it");
    }
    const std::vector<BatchPart> parts = PartsOf(group[i]);
    const std::vector<PartResult> numbers = NumbersOf(group[i], result);
    for (size_t k = 0; k < parts.size(); ++k) {
      const auto& [first, last] = numbers[k];
      if (first <= highest_answered_) {
        return Wrong("number ", first, " came back: ", highest_answered_, " was answered");
      }
      if (last - first + 1 != parts[k].payloads.size()) {
        return Wrong("batch ", i, " has a wrong count of numbers in table ", parts[k].table);
      }
      for (size_t n = 0; n < parts[k].payloads.size(); ++n) {
        records_[first + n] = {
            .table = parts[k].table, .payload = parts[k].payloads[n], .batch = result.first};
      }
      highest_answered_ = last;
    }
  }
  if (!durable) return absl::OkStatus();
  for (auto& [number, record] : records_) {
    record.proven |= record.durable && number <= durable_before;
  }
  EverythingIsDurable();
  return absl::OkStatus();
}

void AnsweredRecords::NeverAnswered(const std::vector<Batch>& group) {
  // A full disk may have refused it.
  for (const Batch& batch : group) unanswered_.push_back({batch, /*is_accepted=*/false});
}

void AnsweredRecords::EverythingIsDurable() {
  for (auto& [number, record] : records_) record.durable = true;
  durable_through_ = highest_answered_;
}

void AnsweredRecords::Marked(TableId table, SequenceNumber through) {
  marks_[table] = std::max(marks_[table], through);
}

absl::Status AnsweredRecords::CompareReopened(const RegionLog& log, const Events& events) {
  ever_harmed_ |= events.harmed;
  RETURN_IF_WRONG(CheckMarks(log));
  const auto found = ReadTables(log);
  if (!found.ok()) return found.status();
  if (!events.harmed) RETURN_IF_WRONG(CheckUnanswered(*found));
  RETURN_IF_WRONG(CheckFound(*found));
  unanswered_.clear();
  has_failed_ = false;
  return CheckMissing(*found, log, events);
}

absl::Status AnsweredRecords::CheckMarks(const RegionLog& log) {
  for (TableId table = 1; table <= tables_; ++table) {
    const SequenceNumber mark = log.Position(table).deleted_through;
    if (mark < marks_[table]) {
      return Wrong("table ", table, ": the mark went back from ", marks_[table], " to ", mark);
    }
    marks_[table] = mark;
  }
  return absl::OkStatus();
}

absl::StatusOr<AnsweredRecords::Found> AnsweredRecords::ReadTables(const RegionLog& log) const {
  Found found;
  for (TableId table = 1; table <= tables_; ++table) {
    auto records = ReadAll(log, {.table = table, .pass_known_damage = true});
    if (!records.ok()) {
      return Wrong("read of table ", table, ": ", ShowStatus(records.status()));
    }
    for (StoredRecord& record : *records) found[record.sequence] = std::move(record);
  }
  auto all = ReadAll(log, {.pass_known_damage = true});
  if (!all.ok()) return Wrong("read of all tables: ", ShowStatus(all.status()));
  for (const StoredRecord& record : *all) {
    const auto same = found.find(record.sequence);
    if (same == found.end() || !(same->second == record)) {
      return Wrong("a read of all tables shows ", record.sequence, ", its table does not");
    }
  }
  if (all->size() != found.size()) {
    return Wrong("a read of all tables shows ", all->size(), " records, each table together ",
                 found.size());
  }
  return found;
}

bool AnsweredRecords::IsUnanswered(const StoredRecord& record) const {
  return std::any_of(unanswered_.begin(), unanswered_.end(), [&](const Unanswered& unanswered) {
    const std::vector<BatchPart> parts = PartsOf(unanswered.batch);
    return std::any_of(parts.begin(), parts.end(), [&](const BatchPart& part) {
      return part.table == record.table && std::find(part.payloads.begin(), part.payloads.end(),
                                                     record.payload) != part.payloads.end();
    });
  });
}

absl::Status AnsweredRecords::CheckUnanswered(const Found& found) const {
  if (unanswered_.empty()) return absl::OkStatus();
  std::set<std::pair<TableId, std::string>> there;
  for (const auto& [number, record] : found) there.emplace(record.table, record.payload);
  bool is_cut = false;
  for (const auto& [batch, is_accepted] : unanswered_) {
    size_t records = 0;
    size_t stored = 0;
    for (const BatchPart& part : PartsOf(batch)) {
      for (const std::string& payload : part.payloads) {
        if (payload.empty()) continue;  // it may be another batch's
        ++records;
        stored += there.contains({part.table, payload});
      }
    }
    if (stored != 0 && stored != records) {
      return Wrong(stored, " of ", records, " records of a batch that was not answered with OK");
    }
    if (stored != 0 && is_cut) return Wrong("a batch is there, and not one begun before it");
    is_cut |= is_accepted && records != 0 && stored == 0;
  }
  return absl::OkStatus();
}

absl::Status AnsweredRecords::CheckFound(const Found& found) {
  for (const auto& [number, record] : found) {
    if (number <= marks_[record.table]) return Wrong("deleted record ", number, " is back");
    const auto known = records_.find(number);
    if (known == records_.end()) {
      if (!IsUnanswered(record)) return Wrong("nobody wrote record ", number);
      records_[number] = {
          .table = record.table, .payload = record.payload, .batch = number, .durable = true};
      highest_answered_ = std::max(highest_answered_, number);
    } else if (known->second.table != record.table || known->second.payload != record.payload) {
      return Wrong("record ", number, " is another one than was written");
    }
  }
  return absl::OkStatus();
}

absl::Status AnsweredRecords::CheckMissing(const Found& found, const RegionLog& log,
                                           const Events& events) {
  const OpeningReport report = log.Describe().opening;
  const bool may_look_torn = events.harmed && events.harm_may_look_torn &&
                             (report.torn_tail_bytes > 0 || events.opening_was_cut);
  SequenceNumber lost = 0;
  std::set<SequenceNumber> lost_batches;
  std::set<SequenceNumber> found_batches;
  for (auto it = records_.begin(); it != records_.end();) {
    auto& [number, record] = *it;
    if (found.contains(number)) {
      if (lost != 0 && !ever_harmed_) return Wrong("record ", lost, " is lost, ", number, " not");
      record.durable = true;
      found_batches.insert(record.batch);
      ++it;
    } else if (number <= marks_[record.table] || record.damaged) {
      ++it;
    } else if (IsNamed(report, number)) {
      if (!events.harmed) return Wrong("record ", number, " is damaged, and nobody harmed it");
      if (record.durable && !events.may_have_cost(record.payload)) {
        return Wrong("record ", number, " is damaged, and harm was done elsewhere");
      }
      record.damaged = record.durable = true;
      ++it;
    } else {
      RETURN_IF_WRONG(CheckLost(number, record, may_look_torn, events));
      if (lost == 0) lost = number;
      lost_batches.insert(record.batch);
      it = records_.erase(it);
    }
  }
  for (const SequenceNumber batch : lost_batches) {
    if (found_batches.contains(batch)) return Wrong("the batch from ", batch, " is there in part");
  }
  if (may_look_torn) {
    highest_answered_ = records_.empty() ? 0 : records_.rbegin()->first;
    durable_through_ = std::min(durable_through_, highest_answered_);
  }
  return absl::OkStatus();
}

absl::Status AnsweredRecords::CheckLost(SequenceNumber number, const AnsweredRecord& record,
                                        bool may_look_torn, const Events& events) const {
  if (may_look_torn && !record.proven) return absl::OkStatus();
  if (record.durable) return Wrong("durable record ", number, " is lost and not named");
  if (!events.lost_power && !events.call_failed && !events.harmed) {
    return Wrong("record ", number, " is lost, though neither power was nor any call failed");
  }
  return absl::OkStatus();
}

}  // namespace walden::testing
