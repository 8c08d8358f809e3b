// Calls of a log or an engine that wait for the outcome (engine/log_engine.h), for programs that have
// nothing else to do meanwhile, and for tests. They lend the calling thread to the log.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/log_engine.h"
#include "engine/types.h"

namespace walden {

void CommitAndWait(RegionLog& log, absl::Span<AppendBatch* const> group);
absl::StatusOr<uint64_t> OpenProducerAndWait(RegionLog& log,
                                             std::optional<uint64_t> region_version = std::nullopt);
absl::StatusOr<std::vector<SequenceNumber>> MarkDeletedAndWait(
    RegionLog& log, std::vector<TableMark> marks,
    std::optional<uint64_t> region_version = std::nullopt);
// Marks one table.
absl::StatusOr<SequenceNumber> MarkTableAndWait(
    RegionLog& log, TableId table, SequenceNumber through,
    std::optional<uint64_t> region_version = std::nullopt);
absl::Status RestoreMarkAndWait(RegionLog& log, TableId table, SequenceNumber deleted_through,
                                TableKind kind);
absl::Status RestoreNextAndWait(RegionLog& log, TableId table, SequenceNumber next);
absl::Status SyncAndWait(RegionLog& log);
absl::Status NoteDurableAndWait(RegionLog& log);
absl::Status CloseAndWait(RegionLog& log);

// LogReader::Next, but never kFetching.
absl::StatusOr<ReadProgress> NextAndWait(LogReader& reader, const ReadLimits& limits,
                                         absl::FunctionRef<void(const RecordView&)> visit);

absl::StatusOr<std::unique_ptr<RegionLog>> OpenRegionAndWait(LogEngine& engine, RegionId region,
                                                             const RegionOptions& options,
                                                             bool create);
absl::StatusOr<bool> DropRegionAndWait(LogEngine& engine, RegionId region);

}  // namespace walden
