#include "engine/append_checks.h"

#include "absl/strings/str_cat.h"
#include "engine/error.h"

namespace walden {

absl::Status CheckPayloads(const AppendBatch& batch) {
  if (!batch.payloads.empty()) return absl::OkStatus();
  return MakeError(absl::StatusCode::kInvalidArgument, ErrorReason::kInvalidField,
                   "payloads is empty: an append needs at least one", {{"field", "payloads"}});
}

absl::Status CheckExpectedNext(const AppendBatch& batch, SequenceNumber table_next) {
  if (batch.expected_next_sequence.value_or(table_next) == table_next) return absl::OkStatus();
  return MakeError(absl::StatusCode::kAborted, ErrorReason::kSequenceMismatch,
                   absl::StrCat("expected_next_sequence is ", *batch.expected_next_sequence,
                                ", but the next sequence of table ", batch.table, " is ",
                                table_next, ": somebody else appended, or the append was a retry"),
                   {{"field", "expected_next_sequence"},
                    {"value", absl::StrCat(*batch.expected_next_sequence)},
                    {"actual_next_sequence", absl::StrCat(table_next)}});
}

absl::Status CheckNumbersLeft(SequenceNumber first, uint64_t count) {
  if (first <= kMaxSequenceNumber && count <= kMaxSequenceNumber - first + 1) {
    return absl::OkStatus();
  }
  return MakeError(
      absl::StatusCode::kInvalidArgument, ErrorReason::kLimitExceeded,
      absl::StrCat(count, " numbers from ", first,
                   " on end above the highest that a log may reach, ", kMaxSequenceNumber),
      {{"field", "first_sequence"},
       {"value", absl::StrCat(first)},
       {"limit", absl::StrCat(kMaxSequenceNumber)}});
}

absl::Status CheckFirstSequence(const AppendBatch& batch, SequenceNumber table_next) {
  if (*batch.first_sequence >= table_next) return absl::OkStatus();
  return MakeError(absl::StatusCode::kAborted, ErrorReason::kSequenceMismatch,
                   absl::StrCat("first_sequence is ", *batch.first_sequence, ", but table ",
                                batch.table, " has come to ", table_next, " already"),
                   {{"field", "first_sequence"},
                    {"value", absl::StrCat(*batch.first_sequence)},
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

bool AnswerRetry(const ProducerTable& producers, AppendBatch& batch, absl::Status* refused) {
  if (!batch.producer) return false;
  const auto answer = producers.Look(batch.producer->id, batch.table, batch.producer->sequence);
  switch (answer.verdict) {
    case ProducerTable::Verdict::kNew:
      return false;
    case ProducerTable::Verdict::kRetry:
      batch.result.first = answer.original.first;
      batch.result.last = answer.original.last;
      batch.result.duplicate = true;
      return true;
    case ProducerTable::Verdict::kReplaced:
      break;
  }
  *refused = MakeError(
      absl::StatusCode::kFailedPrecondition, ErrorReason::kProducerSequenceReplaced,
      absl::StrCat("producer ", batch.producer->id, " has appended sequence ",
                   answer.highest_sequence, " to table ", batch.table, " already, and sequence ",
                   batch.producer->sequence, " is not among its last ", kProducerWindowBatches,
                   " batches: it was skipped, or is too old to be retried"),
      {{"field", "producer.sequence"},
       {"value", absl::StrCat(batch.producer->sequence)},
       {"highest_producer_sequence", absl::StrCat(answer.highest_sequence)}});
  return true;
}

}  // namespace walden
