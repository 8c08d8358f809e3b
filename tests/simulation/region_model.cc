#include "tests/simulation/region_model.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "tests/simulation/wrong.h"

namespace walden::testing {
namespace {

// Of a region that takes no more writes; a region's actor tells the write that may be stored by a
// reason of its own.
bool IsFailure(const absl::Status& status) {
  return HasReason(status, ErrorReason::kRegionFailed) ||
         HasReason(status, ErrorReason::kWriteFailed);
}

// More than any engine adds to a payload or a batch.
constexpr uint64_t kMaxRecordOverhead = 100;

// What a segment has room for, at least: its header and the head of a group take some.
uint64_t SegmentRoom(uint64_t segment_bytes) {
  return segment_bytes - std::clamp<uint64_t>(segment_bytes / 8, 512, 4096) - 100;
}

uint64_t BytesOf(const std::vector<BatchPart>& parts) {
  uint64_t bytes = 0;
  for (const BatchPart& part : parts) {
    for (const std::string& payload : part.payloads) bytes += payload.size() + kMaxRecordOverhead;
  }
  return bytes;
}

std::string Show(const StoredRecord& record) {
  return absl::StrCat("table ", record.table, " sequence ", record.sequence, " (",
                      record.payload.size(), " bytes)");
}

absl::Status CompareRecords(absl::string_view what, const std::vector<StoredRecord>& expected,
                            const std::vector<StoredRecord>& found) {
  for (size_t i = 0; i < std::max(expected.size(), found.size()); ++i) {
    if (i >= found.size()) return Wrong(what, ": lost ", Show(expected[i]));
    if (i >= expected.size()) return Wrong(what, ": unexpected ", Show(found[i]));
    if (!(expected[i] == found[i])) {
      return Wrong(what, ": expected ", Show(expected[i]), ", found ", Show(found[i]),
                   expected[i].sequence == found[i].sequence ? " with other bytes" : "");
    }
  }
  return absl::OkStatus();
}

}  // namespace

// ---------------------------------------------------------------------------------------------------
// Answers

void RegionModel::Begun(std::optional<uint64_t> version) {
  begun_version_ = std::max(begun_version_, version.value_or(0));
}

void RegionModel::MayRaiseVersion(std::optional<uint64_t> version) {
  possible_version_ = std::max(possible_version_, version.value_or(0));
}

absl::Status RegionModel::CheckCommit(const std::vector<Batch>& group,
                                      const std::vector<BatchResult>& results,
                                      const CommitFacts& facts, const Trouble& trouble) {
  bool durable = false;
  bool newly_durable = false;
  bool failed = false;
  const bool alone = facts.one_group && group.size() == 1 && unanswered_.empty();
  for (size_t i = 0; i < group.size(); ++i) {
    absl::Status status = CheckAnswer(group[i], results[i], facts, trouble, alone);
    if (!status.ok()) {
      return Wrong("batch ", i, " of the group: ", status.message(), "; answered ",
                   ShowStatus(results[i].status), " first ", results[i].first, " last ",
                   results[i].last);
    }
    const bool answered = results[i].status.ok();
    failed |= IsFailure(results[i].status);
    durable |= answered && results[i].durable;
    // What was answered before a durable batch is durable; what follows it may be of a later group.
    if (!facts.one_group && answered && results[i].durable) newly_durable |= MarkDurable();
    if (answered && group[i].durability == Durability::kSync && !results[i].durable) {
      return Wrong("batch ", i, " asked for SYNC and was answered without it");
    }
  }
  if (facts.one_group && durable) EverythingIsDurable();
  if (newly_durable) ++epoch_;
  failed_ |= failed;
  return absl::OkStatus();
}

bool RegionModel::IsFenced(std::optional<uint64_t> version) const {
  return version.has_value() && *version < version_;
}

absl::Status RegionModel::CheckAnswer(const Batch& batch, const BatchResult& result,
                                      const CommitFacts& facts, const Trouble& trouble,
                                      bool alone) {
  if (!result.status.ok()) return CheckRefused(batch, result, facts, trouble, alone);
  if (failed_) return Wrong("a failed region acknowledged");
  if (IsFenced(batch.region_version)) return Wrong("a fenced batch was accepted");
  if (batch.region_version.has_value()) {
    version_ = std::max(version_, *batch.region_version);
    possible_version_ = std::max(possible_version_, version_);
  }
  if (result.duplicate) return producers_.CheckDuplicate(batch, result);
  return CheckAccepted(batch, result, facts.begun);
}

absl::Status RegionModel::CheckAccepted(const Batch& batch, const BatchResult& result,
                                        const Moment& begun) {
  const std::vector<BatchPart> parts = PartsOf(batch);
  const std::vector<PartResult> numbers = NumbersOf(batch, result);
  if (parts.empty() && !batch.producer) return Wrong("an empty batch was accepted");
  if (numbers.size() != parts.size()) return Wrong("numbers of ", numbers.size(), " tables");
  if (absl::Status wrong = producers_.CheckAccepted(batch, result); !wrong.ok()) return wrong;
  if (parts.empty()) {
    return result.first == 0 && result.last == 0 ? absl::OkStatus() : Wrong("numbers for nothing");
  }
  StoredBatch stored{.parts = {},
                     .producer = batch.producer,
                     .epoch = begun.epoch,
                     .unix_micros = begun.unix_micros,
                     .latest_micros = begun.latest_micros};
  for (size_t i = 0; i < parts.size(); ++i) {
    Table& table = tables_.try_emplace(parts[i].table, Table{.next = unknown_next_}).first->second;
    RETURN_IF_WRONG(CheckNumbers(parts[i], numbers[i]));
    stored.parts.push_back({.table = parts[i].table,
                            .first = numbers[i].first,
                            .payloads = parts[i].payloads,
                            .appended_micros = AppendTime(parts[i].table, begun.unix_micros)});
    table.next = numbers[i].last + 1;
    table.highest_answered = numbers[i].last;
  }
  batches_.push_back(std::move(stored));
  return absl::OkStatus();
}

absl::Status RegionModel::CheckNumbers(const BatchPart& part, const PartResult& numbers) const {
  const Table& table = tables_.at(part.table);
  if (part.expected_next_sequence.value_or(table.next) != table.next) {
    return Wrong("expected next ", *part.expected_next_sequence, " was accepted, it is ",
                 table.next);
  }
  if (numbers.last - numbers.first + 1 != part.payloads.size()) {
    return Wrong("wrong count of numbers");
  }
  if (shared_numbers_ ? numbers.first != table.next : numbers.first < table.next) {
    return Wrong("next of table ", part.table, " was said to be ", table.next);
  }
  if (numbers.first <= table.highest_answered) {
    return Wrong("a number came back: ", table.highest_answered, " was answered before");
  }
  return absl::OkStatus();
}

// Whether the batch expects another number than the next one of some table.
bool RegionModel::Mismatches(const Batch& batch) const {
  const std::vector<BatchPart> parts = PartsOf(batch);
  return std::any_of(parts.begin(), parts.end(), [this](const BatchPart& part) {
    return part.expected_next_sequence.value_or(Next(part.table)) != Next(part.table);
  });
}

absl::Status RegionModel::CheckRefused(const Batch& batch, const BatchResult& result,
                                       const CommitFacts& facts, const Trouble& trouble,
                                       bool alone) {
  const absl::Status& status = result.status;
  MayRaiseVersion(batch.region_version);
  if (IsFailure(status)) return CheckFailed(batch, result, facts, trouble, alone);
  if (result.may_be_stored) return Wrong("refused, and yet it may be stored");
  const std::vector<BatchPart> parts = PartsOf(batch);
  if (HasReason(status, ErrorReason::kFenced)) {
    // A version that came with a refused batch may or may not count.
    const bool fenced =
        batch.region_version.has_value() && *batch.region_version < possible_version_;
    return fenced ? absl::OkStatus() : Wrong("fenced without cause");
  }
  if (HasReason(status, ErrorReason::kProducerOutOfOrder) ||
      HasReason(status, ErrorReason::kProducerForgotten)) {
    return producers_.CheckRefused(batch, status);
  }
  if (HasReason(status, ErrorReason::kSequenceMismatch)) {
    return Mismatches(batch) && !producers_.IsCertain(batch) ? absl::OkStatus()
                                                             : Wrong("mismatch without cause");
  }
  if (status.code() == absl::StatusCode::kInvalidArgument) {
    const bool empty = parts.empty() && !batch.producer;
    if (producers_.Differs(batch) && !HasReason(status, ErrorReason::kLimitExceeded)) {
      producers_.RefusedAsDifferent(batch);
      return absl::OkStatus();
    }
    const bool invalid = empty || BytesOf(parts) > SegmentRoom(facts.segment_bytes);
    return invalid ? absl::OkStatus() : Wrong("invalid without cause");
  }
  if (HasReason(status, ErrorReason::kDiskFull)) {
    return trouble.disk_full ? absl::OkStatus() : Wrong("the disk is not full");
  }
  if (HasReason(status, ErrorReason::kTooManyFiles)) {
    return trouble.failed ? absl::OkStatus() : Wrong("no call found too many files");
  }
  return Wrong("an error of no known kind");
}

absl::Status RegionModel::CheckFailed(const Batch& batch, const BatchResult& result,
                                      const CommitFacts& facts, const Trouble& trouble,
                                      bool alone) {
  if (!trouble.failed) return Wrong("nothing failed");
  if (!result.may_be_stored) return absl::OkStatus();
  if (facts.answered && facts.begun.failed) {
    return Wrong("it was begun after the region had failed, and yet it may be stored");
  }
  if (IsFenced(batch.region_version) || producers_.IsCertain(batch)) return absl::OkStatus();
  const bool must_be_next = producers_.MustBeNext(batch);
  const bool is_known = producers_.IsKnown(batch);
  producers_.Unanswered(batch);
  const std::vector<BatchPart> parts = PartsOf(batch);
  if (parts.empty()) return absl::OkStatus();
  StoredBatch unknown{.parts = {},
                      .producer = batch.producer,
                      .epoch = facts.begun.epoch,
                      .unix_micros = facts.begun.unix_micros,
                      .latest_micros = facts.begun.latest_micros};
  bool expects = false;
  for (const BatchPart& part : parts) {
    unknown.parts.push_back({.table = part.table,
                             .payloads = part.payloads,
                             .appended_micros = facts.begun.unix_micros});
    expects |= part.expected_next_sequence.has_value();
  }
  // The answer says that it was accepted, if it is no retry.
  unknown.may_be_refused = is_known;
  if (!facts.answered) {
    unknown.may_be_refused |=
        trouble.disk_full || !must_be_next || BytesOf(parts) > SegmentRoom(facts.segment_bytes) ||
        (expects && (!alone || Mismatches(batch))) ||
        (!alone && (batch.region_version.has_value() || batch.producer.has_value()));
  }
  unanswered_.push_back(unknown);
  return absl::OkStatus();
}

absl::Status RegionModel::CheckFence(uint64_t version, const absl::Status& answer,
                                     const Trouble& trouble) {
  MayRaiseVersion(version);
  if (HasReason(answer, ErrorReason::kFenced)) {
    return version < possible_version_ ? absl::OkStatus() : Wrong("fenced without cause");
  }
  if (!answer.ok()) {
    return trouble.failed ? absl::OkStatus() : Wrong("a fence failed: ", ShowStatus(answer));
  }
  if (failed_) return Wrong("a failed region raised its version");
  if (IsFenced(version)) return Wrong("a lower version fenced a region of version ", version_);
  version_ = version;
  return absl::OkStatus();
}

absl::Status RegionModel::CheckMark(const RegionLog& log, const TableMark& asked,
                                    std::optional<uint64_t> version, SequenceNumber end_before,
                                    const absl::StatusOr<SequenceNumber>& answer,
                                    const Trouble& trouble) {
  const auto [table_id, through] = asked;
  const SequenceNumber mark = MarkOf(table_id);
  const SequenceNumber expected = std::max(std::min(through, Next(table_id) - 1), mark);
  const SequenceNumber lowest = std::max(std::min(expected, end_before), mark);
  MayRaiseVersion(version);
  if (!answer.ok()) {
    if (HasReason(answer.status(), ErrorReason::kFenced)) {
      return version.has_value() && *version < possible_version_ ? absl::OkStatus()
                                                                 : Wrong("fenced without cause");
    }
    if (!trouble.failed) return Wrong("MarkDeleted failed: ", ShowStatus(answer.status()));
    if (expected == 0) return absl::OkStatus();
    // Made or not; once it is seen it must stay.
    Table& state = tables_.try_emplace(table_id, Table{.next = unknown_next_}).first->second;
    for (SequenceNumber made = lowest; made <= expected; ++made) state.possible_marks.insert(made);
    if (shared_numbers_) {
      state.possible_marks.insert(std::max(std::min(through, LastRecord(table_id)), mark));
    }
    const SequenceNumber seen = log.Position(table_id).deleted_through;
    if (seen != mark && state.possible_marks.count(seen) == 0) return Wrong("the mark is ", seen);
    state.mark = seen;
    return absl::OkStatus();
  }
  if (failed_) return Wrong("a failed region marked");
  if (IsFenced(version)) return Wrong("a fenced MarkDeleted was accepted");
  if (version.has_value()) version_ = std::max(version_, *version);
  if ((*answer < lowest || *answer > expected) && !IsAnEnd(log, table_id, through, *answer)) {
    return Wrong("MarkDeleted answered ", *answer, " not ", lowest, "..", expected);
  }
  // A table that was never written may be marked too: up to numbers that a crash took.
  if (*answer == 0) return absl::OkStatus();
  tables_.try_emplace(table_id, Table{.next = unknown_next_}).first->second.mark = *answer;
  return absl::OkStatus();
}

// Where other regions raise the next number, a table ends between its last record and that.
bool RegionModel::IsAnEnd(const RegionLog& log, TableId table, SequenceNumber through,
                          SequenceNumber mark) const {
  if (!shared_numbers_) return false;
  const SequenceNumber lowest = std::max(MarkOf(table), std::min(through, LastRecord(table)));
  return mark >= lowest && mark <= std::max(through, MarkOf(table)) &&
         mark < std::max(log.Position(table).next, Next(table));
}

SequenceNumber RegionModel::LastRecord(TableId table) const {
  SequenceNumber last = 0;
  for (const StoredBatch& batch : batches_) {
    for (const StoredPart& part : batch.parts) {
      if (part.table == table) last = std::max(last, part.last());
    }
  }
  return last;
}

absl::Status RegionModel::FollowNext(const RegionLog& log, TableId table) {
  if (!shared_numbers_ || failed_) return absl::OkStatus();
  const SequenceNumber next = log.Position(table).next;
  SequenceNumber& known = tables_[table].next;
  if (next < known) return Wrong("table ", table, ": next went back from ", known, " to ", next);
  known = next;
  return absl::OkStatus();
}

absl::Status RegionModel::CheckOpenProducer(std::optional<uint64_t> version,
                                            const absl::StatusOr<uint64_t>& answer,
                                            const Trouble& trouble) {
  MayRaiseVersion(version);
  if (!answer.ok()) {
    if (HasReason(answer.status(), ErrorReason::kFenced)) {
      return version.has_value() && *version < possible_version_ ? absl::OkStatus()
                                                                 : Wrong("fenced without cause");
    }
    const bool excused =
        trouble.failed || (trouble.disk_full && absl::IsResourceExhausted(answer.status()));
    return excused ? absl::OkStatus() : Wrong("OpenProducer failed: ", ShowStatus(answer.status()));
  }
  if (failed_) return Wrong("a failed region issued an id");
  if (IsFenced(version)) return Wrong("a fenced OpenProducer was accepted");
  if (version.has_value()) version_ = std::max(version_, *version);
  return producers_.Opened(*answer);
}

bool RegionModel::MarkDurable() {
  bool anything = false;
  producers_.EverythingIsDurable();
  for (StoredBatch& batch : batches_) {
    anything |= !batch.durable;
    batch.durable = true;
    batch.proven_from = std::min(batch.proven_from, epoch_ + 1);
  }
  return anything;
}

void RegionModel::EverythingIsDurable() {
  if (MarkDurable()) ++epoch_;
}

// ---------------------------------------------------------------------------------------------------
// The open log

SequenceNumber RegionModel::Next(TableId table) const {
  const auto entry = tables_.find(table);
  return entry == tables_.end() ? unknown_next_ : entry->second.next;
}

SequenceNumber RegionModel::HighestAnswered(TableId table) const {
  const auto entry = tables_.find(table);
  return entry == tables_.end() ? 0 : entry->second.highest_answered;
}

SequenceNumber RegionModel::HighestAnswered() const {
  SequenceNumber highest = 0;
  for (const auto& [table, state] : tables_) highest = std::max(highest, state.highest_answered);
  return highest;
}

SequenceNumber RegionModel::MarkOf(TableId table) const {
  const auto entry = tables_.find(table);
  return entry == tables_.end() ? 0 : entry->second.mark;
}

std::vector<TableId> RegionModel::Tables() const {
  std::vector<TableId> tables;
  for (const auto& [table, state] : tables_) tables.push_back(table);
  return tables;
}

std::vector<StoredRecord> RegionModel::LiveOf(const StoredPart& part) const {
  const SequenceNumber mark = tables_.at(part.table).mark;
  std::vector<StoredRecord> live;
  for (size_t i = 0; i < part.payloads.size(); ++i) {
    if (part.first + i > mark) live.push_back({part.table, part.first + i, part.payloads[i]});
  }
  return live;
}

std::vector<StoredRecord> RegionModel::Live(TableId table) const {
  std::vector<StoredRecord> live;
  for (const StoredBatch& batch : batches_) {
    for (const StoredPart& part : batch.parts) {
      if (part.table != table) continue;
      for (StoredRecord& record : LiveOf(part)) live.push_back(std::move(record));
    }
  }
  return live;
}

absl::Status RegionModel::CompareRange(const RegionLog& log, const ReadRange& range,
                                       const ReadLimits& limits) const {
  const auto found = ReadAll(log, range, limits);
  if (range.first > 0 && range.first <= log.Position(*range.table).deleted_through) {
    if (HasReason(found.status(), ErrorReason::kRecordsGone)) return absl::OkStatus();
    return Wrong("a read from deleted number ", range.first, ": ", ShowStatus(found.status()));
  }
  if (!found.ok()) return Wrong("read failed: ", ShowStatus(found.status()));
  std::vector<StoredRecord> expected;
  for (const StoredRecord& record : Live(*range.table)) {
    if (record.sequence >= range.first && record.sequence <= range.last) expected.push_back(record);
  }
  return CompareRecords(absl::StrCat("read of ", range.first, "..", range.last), expected, *found);
}

absl::Status RegionModel::CompareOpen(const RegionLog& log) const {
  const auto everything = ReadAll(log, ReadRange{});
  if (!everything.ok()) return Wrong("read of all tables: ", ShowStatus(everything.status()));
  std::map<TableId, std::vector<StoredRecord>> by_table;
  for (const StoredRecord& record : *everything) by_table[record.table].push_back(record);
  const RegionDescription description = log.Describe();
  std::map<TableId, TableState> states;
  for (const TableState& state : description.tables) states[state.table] = state;

  for (const auto& [table, state] : tables_) {
    const std::vector<StoredRecord> live = Live(table);
    const std::string name = absl::StrCat("table ", table);
    RETURN_IF_WRONG(CompareRecords(name + " in a read of all tables", live, by_table[table]));
    RETURN_IF_WRONG(CompareRange(log, ReadRange{table}, ReadLimits{}));
    const TablePosition position = log.Position(table);
    if (shared_numbers_ ? position.next < state.next : position.next != state.next) {
      return Wrong(name, ": next is ", position.next, ", not ", state.next);
    }
    if (position.deleted_through != state.mark) {
      return Wrong(name, ": deleted through ", position.deleted_through, ", not ", state.mark);
    }
    const SequenceNumber first = live.empty() ? position.next : live.front().sequence;
    if (position.first != first) return Wrong(name, ": first is ", position.first, ", not ", first);
    if (state.next > 1 && states[table].last_live != (live.empty() ? 0 : live.back().sequence)) {
      return Wrong(name, ": last live is ", states[table].last_live);
    }
    by_table.erase(table);
  }
  if (!by_table.empty()) return Wrong("records of unknown table ", by_table.begin()->first);
  if (description.region_version < version_ ||
      description.region_version > std::max(possible_version_, begun_version_)) {
    return Wrong("region version is ", description.region_version, ", not ", version_);
  }
  return absl::OkStatus();
}

}  // namespace walden::testing
