// The segment engine, used in this process as the daemon uses it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/log_engine.h"

namespace walden::bench {

// Whether segments are made ahead, as the daemon has it, or only when they are needed.
enum class Spares { kMadeAhead, kNone };

// The engine of one namespace on the real file system, made if it is not there.
absl::StatusOr<std::unique_ptr<LogEngine>> OpenNamespace(const std::string& directory,
                                                         Spares spares = Spares::kMadeAhead);

absl::StatusOr<std::unique_ptr<RegionLog>> OpenRegion(LogEngine& engine, RegionId region);

// A group of batches that is committed again and again. The payloads must outlive it. One thread.
class RepeatedGroup {
 public:
  // Batch i has payloads [i * records_per_batch, (i + 1) * records_per_batch).
  RepeatedGroup(const std::vector<std::string>& payloads, size_t records_per_batch,
                Durability durability);

  size_t batches() const { return batches_.size(); }
  void SetTable(size_t batch, TableId table) { batches_[batch].tables[0].table = table; }

  // Commits all of it and waits; the error of the first batch that was refused.
  absl::Status Commit(RegionLog& log);

 private:
  std::vector<AppendBatch> batches_;
  std::vector<AppendBatch*> group_;
};

}  // namespace walden::bench
