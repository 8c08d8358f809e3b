// The checks of an append that all engines share, and their errors (engine/log_engine.h). Any
// thread.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "engine/common/producer_table.h"
#include "engine/log_engine.h"
#include "engine/types.h"

namespace walden {

// AppendBatch::is_wanted.
absl::Status CheckWanted(const AppendBatch& batch);

// INVALID_ARGUMENT if there is no table and no producer that passes over its number, if a table has
// no payload or comes twice, if there are too many tables, or if a restored batch has several.
absl::Status CheckTables(const AppendBatch& batch);

// ABORTED (SEQUENCE_MISMATCH) if another number is expected than the table's next.
absl::Status CheckExpectedNext(const TableAppend& append, SequenceNumber table_next);

// INVALID_ARGUMENT (LIMIT_EXCEEDED) if `count` numbers from `first` on end above the highest that a
// log may reach. Only a restored log comes near it.
absl::Status CheckNumbersLeft(SequenceNumber first, uint64_t count);

// ABORTED (SEQUENCE_MISMATCH) if a restored batch begins below the table's next number.
absl::Status CheckFirstSequence(const TableAppend& append, SequenceNumber table_next);

// FAILED_PRECONDITION (FENCED) if the version is lower than the highest that the region has seen.
absl::Status CheckFence(std::optional<uint64_t> version, uint64_t highest);

// Returns true if the batch is done: it was stored before and it has the original numbers,
// or `refused` says why its producer may not append it (PRODUCER_OUT_OF_ORDER, PRODUCER_FORGOTTEN;
// or PRODUCER_BATCH_DIFFERS for a retry that differs from what was stored).
bool AnswerRetry(const ProducerTable& producers, AppendBatch& batch, absl::Status* refused);

// Gives a batch of a failed region that error: an accepted one, which may be stored, and one that was
// refused for what another batch would have changed.
void FailBatch(AppendBatch& batch, const absl::Status& failed);

}  // namespace walden
