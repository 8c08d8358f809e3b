#include "tests/bench/segment_log.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/thread_pool.h"
#include "engine/io/posix_file_system.h"
#include "engine/segment/segment_engine.h"
#include "engine/wait.h"

namespace walden::bench {

absl::StatusOr<std::unique_ptr<LogEngine>> OpenNamespace(const std::string& directory,
                                                         Spares spares) {
  // As many threads as the daemon has here; they make spare segments.
  static auto& background = *new ThreadPool("background", 2);
  std::error_code error;
  std::filesystem::create_directory(directory, error);
  if (error) {
    return absl::ErrnoToStatus(error.value(), absl::StrCat("cannot create ", directory));
  }
  return SegmentEngine::Open({.file_system = PosixFileSystem(),
                              .clock = Clock::Real(),
                              .background = spares == Spares::kMadeAhead ? &background : nullptr,
                              .data_directory = directory,
                              .namespace_name = "default"});
}

absl::StatusOr<std::unique_ptr<RegionLog>> OpenRegion(LogEngine& engine, RegionId region) {
  return OpenRegionAndWait(engine, region, RegionOptions{}, /*create=*/true);
}

RepeatedGroup::RepeatedGroup(const std::vector<std::string>& payloads, size_t records_per_batch,
                             Durability durability)
    : batches_(payloads.size() / records_per_batch) {
  for (size_t i = 0; i < batches_.size(); ++i) {
    AppendBatch& batch = batches_[i];
    batch.durability = durability;
    batch.tables.resize(1);
    for (size_t j = 0; j < records_per_batch; ++j) {
      batch.tables[0].payloads.push_back(payloads[i * records_per_batch + j]);
    }
    group_.push_back(&batch);
  }
}

absl::Status RepeatedGroup::Commit(RegionLog& log) {
  CommitAndWait(log, group_);
  for (const AppendBatch& batch : batches_) {
    if (!batch.result.status.ok()) return batch.result.status;
  }
  return absl::OkStatus();
}

}  // namespace walden::bench
