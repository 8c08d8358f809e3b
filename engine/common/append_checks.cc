#include "engine/common/append_checks.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/error.h"

namespace walden {

namespace {

absl::Status NoPayload(absl::string_view whose) {
  return MakeError(absl::StatusCode::kInvalidArgument, ErrorReason::kInvalidField,
                   absl::StrCat("payloads", whose, " is empty: an append needs at least one"),
                   {{"field", "payloads"}});
}

absl::Status TableTwice(TableId table) {
  return MakeError(
      absl::StatusCode::kInvalidArgument, ErrorReason::kInvalidField,
      absl::StrCat("table ", table, " is named twice: a batch has all records of a table together"),
      {{"field", "table_id"}, {"value", absl::StrCat(table)}});
}

absl::Status TooManyTables(size_t count) {
  return MakeError(
      absl::StatusCode::kInvalidArgument, ErrorReason::kLimitExceeded,
      absl::StrCat("the batch has records of ", count, " tables, and a batch may have ",
                   kMaxTablesPerBatch, ": send smaller batches"),
      {{"field", "tables"},
       {"value", absl::StrCat(count)},
       {"limit", absl::StrCat(kMaxTablesPerBatch)}});
}

absl::Status CheckEachOnce(const AppendBatch& batch) {
  absl::flat_hash_set<TableId> seen;
  for (const TableAppend& append : batch.tables) {
    if (!seen.insert(append.table).second) return TableTwice(append.table);
    if (append.payloads.empty()) return NoPayload(absl::StrCat(" of table ", append.table));
    if (append.first_sequence) {
      return MakeError(absl::StatusCode::kInvalidArgument, ErrorReason::kInvalidField,
                       "records are restored in batches of one table", {{"field", "tables"}});
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckWanted(const AppendBatch& batch) {
  return batch.is_wanted ? batch.is_wanted() : absl::OkStatus();
}

absl::Status CheckTables(const AppendBatch& batch) {
  if (batch.tables.size() > kMaxTablesPerBatch) return TooManyTables(batch.tables.size());
  if (batch.tables.size() > 1) return CheckEachOnce(batch);
  if (batch.tables.empty() ? batch.producer.has_value() : !batch.tables[0].payloads.empty()) {
    return absl::OkStatus();
  }
  return NoPayload("");
}

absl::Status CheckExpectedNext(const TableAppend& append, SequenceNumber table_next) {
  if (append.expected_next_sequence.value_or(table_next) == table_next) return absl::OkStatus();
  return MakeError(absl::StatusCode::kAborted, ErrorReason::kSequenceMismatch,
                   absl::StrCat("expected_next_sequence is ", *append.expected_next_sequence,
                                ", but the next sequence of table ", append.table, " is ",
                                table_next, ": somebody else appended, or the append was a retry"),
                   {{"field", "expected_next_sequence"},
                    {"value", absl::StrCat(*append.expected_next_sequence)},
                    {"table_id", absl::StrCat(append.table)},
                    {"actual_next_sequence", absl::StrCat(table_next)}});
}

absl::Status CheckNumbersLeft(SequenceNumber first, uint64_t count) {
  if (first <= kMaxSequenceNumber && count <= kMaxSequenceNumber - first + 1) {
    return absl::OkStatus();
  }
  return MakeError(absl::StatusCode::kInvalidArgument, ErrorReason::kLimitExceeded,
                   absl::StrCat(count, count == 1 ? " record" : " records", " from number ", first,
                                " on would pass the highest number of a log, ", kMaxSequenceNumber),
                   {{"field", "first_sequence"},
                    {"value", absl::StrCat(first)},
                    {"limit", absl::StrCat(kMaxSequenceNumber)}});
}

absl::Status CheckFirstSequence(const TableAppend& append, SequenceNumber table_next) {
  if (*append.first_sequence >= table_next) return absl::OkStatus();
  return MakeError(
      absl::StatusCode::kAborted, ErrorReason::kSequenceMismatch,
      absl::StrCat("first_sequence is ", *append.first_sequence,
                   ", but the next sequence of table ", append.table, " is ", table_next),
      {{"field", "first_sequence"},
       {"value", absl::StrCat(*append.first_sequence)},
       {"table_id", absl::StrCat(append.table)},
       {"actual_next_sequence", absl::StrCat(table_next)}});
}

absl::Status CheckFence(std::optional<uint64_t> version, uint64_t highest) {
  if (version.value_or(highest) >= highest) return absl::OkStatus();
  return MakeError(absl::StatusCode::kFailedPrecondition, ErrorReason::kFenced,
                   absl::StrCat("region_version ", *version, " is fenced off: the region has seen ",
                                highest, ". Another writer took over; do not retry"),
                   {{"field", "region_version"},
                    {"value", absl::StrCat(*version)},
                    {"highest_region_version", absl::StrCat(highest)}});
}

namespace {

absl::Status Differs(const ProducerTag& tag, absl::string_view problem, absl::string_view field,
                     const std::string& value, const std::string& stored) {
  return MakeError(absl::StatusCode::kInvalidArgument, ErrorReason::kProducerBatchDiffers, problem,
                   {{"producer_sequence", absl::StrCat(tag.sequence)},
                    {"field", std::string(field)},
                    {"value", value},
                    {"stored", stored}});
}

absl::Status Differs(const AppendBatch& batch, const ProducerBatch& original) {
  const ProducerTag& tag = *batch.producer;
  const std::string count = absl::StrCat(batch.records());
  const std::string stored_count = absl::StrCat(original.records());
  if (original.tables.empty()) {
    return Differs(tag,
                   absl::StrCat("producer ", tag.id, " passed over its number ", tag.sequence,
                                ", so no batch can be stored under it"),
                   "payloads", count, stored_count);
  }
  const std::string which = absl::StrCat("batch ", tag.sequence, " of producer ", tag.id);
  constexpr absl::string_view kMustBeSame = ": a retry must be the same batch";
  if (count != stored_count) {
    return Differs(tag,
                   absl::StrCat(which, " is stored with payload count ", stored_count,
                                ", and the retry has ", count, kMustBeSame),
                   "payloads", count, stored_count);
  }
  for (const TableAppend& append : batch.tables) {
    const ProducerRange* const range = original.Find(append.table);
    if (range == nullptr || range->records() == append.payloads.size()) continue;
    return Differs(
        tag,
        absl::StrCat(which, " is stored with payload count ", range->records(), " in table ",
                     append.table, ", and the retry has ", append.payloads.size(), kMustBeSame),
        "payloads", absl::StrCat(append.payloads.size()), absl::StrCat(range->records()));
  }
  const auto tables_of = [](const auto& parts) {
    return absl::StrJoin(
        parts, ", ", [](std::string* out, const auto& part) { absl::StrAppend(out, part.table); });
  };
  const std::string tables = tables_of(batch.tables);
  const std::string stored_tables = tables_of(original.tables);
  return Differs(tag,
                 absl::StrCat(which, " is stored in table ", stored_tables, ", and the retry has ",
                              tables, kMustBeSame),
                 "table_id", tables, stored_tables);
}

absl::Status OutOfOrder(const ProducerTag& tag, uint64_t expected) {
  return MakeError(absl::StatusCode::kFailedPrecondition, ErrorReason::kProducerOutOfOrder,
                   absl::StrCat("producer ", tag.id, " must append its batch ", expected,
                                " before batch ", tag.sequence,
                                ": send the batches again from there on. A batch without payloads "
                                "passes over a number"),
                   {{"field", "producer.producer_sequence"},
                    {"value", absl::StrCat(tag.sequence)},
                    {"expected_producer_sequence", absl::StrCat(expected)}});
}

absl::Status Forgotten(const ProducerTag& tag, uint64_t expected) {
  if (expected == 0) {
    return MakeError(
        absl::StatusCode::kFailedPrecondition, ErrorReason::kProducerForgotten,
        absl::StrCat("producer ", tag.id, " is not among the ", kMaxProducersPerRegion,
                     " that the region remembers, or was never issued there; whether its batch ",
                     tag.sequence, " was stored is unknown. Open a new producer"),
        {{"field", "producer.producer_id"}, {"value", absl::StrCat(tag.id)}});
  }
  return MakeError(absl::StatusCode::kFailedPrecondition, ErrorReason::kProducerForgotten,
                   absl::StrCat("batch ", tag.sequence, " of producer ", tag.id,
                                " is too old to be retried: the region "
                                "remembers a producer's last ",
                                kProducerWindowBatches, " batches, or fewer that together have ",
                                kProducerWindowTables, " tables"),
                   {{"field", "producer.producer_sequence"},
                    {"value", absl::StrCat(tag.sequence)},
                    {"expected_producer_sequence", absl::StrCat(expected)}});
}

}  // namespace

bool AnswerRetry(const ProducerTable& producers, AppendBatch& batch, absl::Status* refused) {
  if (!batch.producer) return false;
  const ProducerTag& tag = *batch.producer;
  const auto answer = producers.Look(tag.id, tag.sequence, batch.tables);
  switch (answer.verdict) {
    case ProducerTable::Verdict::kNew:
      return false;
    case ProducerTable::Verdict::kRetry:
      batch.result.duplicate = true;
      for (TableAppend& append : batch.tables) {
        const ProducerRange* const range = answer.original.Find(append.table);
        append.first = range->first;
        append.last = range->last;
      }
      return true;
    case ProducerTable::Verdict::kDiffers:
      *refused = Differs(batch, answer.original);
      return true;
    case ProducerTable::Verdict::kOutOfOrder:
      *refused = OutOfOrder(tag, answer.expected);
      return true;
    case ProducerTable::Verdict::kForgotten:
      *refused = Forgotten(tag, answer.expected);
      return true;
  }
  return true;
}

namespace {

// Whether a batch was refused for what batches before it changed.
bool IsJudgedByOthers(const absl::Status& refused) {
  const ErrorReason reasons[] = {
      ErrorReason::kSequenceMismatch,     ErrorReason::kFenced,
      ErrorReason::kProducerOutOfOrder,   ErrorReason::kProducerForgotten,
      ErrorReason::kProducerBatchDiffers, ErrorReason::kWrongTableKind,
      ErrorReason::kRestoreOutOfOrder};
  return std::any_of(std::begin(reasons), std::end(reasons),
                     [&](ErrorReason reason) { return HasReason(refused, reason); });
}

}  // namespace

void FailBatch(AppendBatch& batch, const absl::Status& failed) {
  AppendResult& result = batch.result;
  const bool may_be_stored = result.may_be_stored || result.status.ok();
  if (!may_be_stored && !IsJudgedByOthers(result.status)) return;
  batch.ClearResult();
  result.status = failed;
  result.may_be_stored = may_be_stored;
}

}  // namespace walden
