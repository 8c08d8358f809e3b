// Functions for the steps that tests do on a region's log.
#pragma once

#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/log_engine.h"

namespace walden::testing {

// The records of a batch for one table.
struct BatchPart {
  TableId table = 1;
  std::vector<std::string> payloads;
  std::optional<SequenceNumber> expected_next_sequence;
};

// A batch that owns its payloads. Most have one table.
struct Batch {
  TableId table = 1;
  std::vector<std::string> payloads;
  Durability durability = Durability::kSync;
  std::optional<SequenceNumber> expected_next_sequence;
  std::optional<SequenceNumber> first_sequence;
  std::optional<uint64_t> region_version;
  std::optional<ProducerTag> producer;
  TableKind kind = TableKind::kLog;
  std::vector<BatchPart> more;  // further tables
};

struct PartResult {
  SequenceNumber first = 0;
  SequenceNumber last = 0;

  bool operator==(const PartResult&) const = default;
};

// The answer to a batch.
struct BatchResult : AppendResult {
  SequenceNumber first = 0;  // of the batch's first table
  SequenceNumber last = 0;
  std::vector<PartResult> more;  // of its further tables
};

struct StoredRecord {
  TableId table = 0;
  SequenceNumber sequence = 0;
  std::string payload;

  bool operator==(const StoredRecord& other) const {
    return table == other.table && sequence == other.sequence && payload == other.payload;
  }
};
std::ostream& operator<<(std::ostream& out, const StoredRecord& record);

// Code and message, without what programs read.
std::string ShowStatus(const absl::Status& status);

// A named value of an error (base/error.h), empty if it has none.
std::string ErrorValue(const absl::Status& status, const std::string& key);

// Takes a log over and waits for the outcome.
absl::Status AcquireLog(RegionLog& log, const AcquireRequest& request = {});
// Opens a region so that it can be changed.
absl::StatusOr<std::unique_ptr<RegionLog>> OpenOwned(LogEngine& engine, RegionId region,
                                                     const RegionOptions& options, bool create);

// The batch for an engine, whose payloads point into `batch`. A batch without payloads has no table.
AppendBatch EngineBatch(const Batch& batch);
// The answer that an engine gave.
BatchResult ResultOf(const AppendBatch& batch);

// The parts of a batch, and their numbers in its answer, in the same order. None if the batch passes
// over its number.
std::vector<BatchPart> PartsOf(const Batch& batch);
std::vector<PartResult> NumbersOf(const Batch& batch, const BatchResult& result);

// Commits the batches as one group and waits until they are answered.
std::vector<BatchResult> CommitGroup(RegionLog& log, const std::vector<Batch>& group);
BatchResult CommitOne(RegionLog& log, const Batch& batch);

// Marks one table deleted.
absl::StatusOr<SequenceNumber> MarkTable(RegionLog& log, TableId table, SequenceNumber through,
                                         std::optional<uint64_t> region_version = std::nullopt);

// Raises the region's version as the daemon's FenceRegion does.
absl::Status Fence(RegionLog& log, uint64_t region_version);

// Reads until nothing more is visible, `limits` at a time.
absl::StatusOr<std::vector<StoredRecord>> ReadAll(const RegionLog& log, const ReadRange& range,
                                                  const ReadLimits& limits = {});
absl::StatusOr<std::vector<StoredRecord>> ReadTable(const RegionLog& log, TableId table);

// What one call of Next visits, added to `records`.
absl::StatusOr<ReadProgress> NextInto(LogReader& reader, const ReadLimits& limits,
                                      std::vector<StoredRecord>& records);

}  // namespace walden::testing
