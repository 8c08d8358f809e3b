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
  return status();
}

absl::Status RepeatedGroup::status() const {
  for (const AppendBatch& batch : batches_) {
    if (!batch.result.status.ok()) return batch.result.status;
  }
  return absl::OkStatus();
}

CommitPipeline::CommitPipeline(RegionLog& log, std::vector<RepeatedGroup*> groups)
    : log_(log), groups_(std::move(groups)), lent_([this] { Work(); }) {}

CommitPipeline::~CommitPipeline() {
  (void)Finish();
  {
    absl::MutexLock lock(&mutex_);
    stops_ = true;
  }
  lent_.join();
}

absl::Status CommitPipeline::Begin() {
  const size_t most = std::min(groups_.size(), log_.commit_policy().max_under_way);
  if (absl::Status status = Await(most - 1); !status.ok()) return status;
  RepeatedGroup* const group = groups_[next_++ % groups_.size()];
  {
    absl::MutexLock lock(&mutex_);
    ++under_way_;
  }
  const uint64_t began = NowNanos();
  group->Begin(log_, [this, group, began] {
    latency_.Record(absl::Nanoseconds(NowNanos() - began));
    absl::MutexLock lock(&mutex_);
    --under_way_;
    failed_.Update(group->status());
  });
  absl::MutexLock lock(&mutex_);
  has_work_ = true;
  return absl::OkStatus();
}

absl::Status CommitPipeline::Await(size_t most_under_way) {
  const auto is_there = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return under_way_ <= most_under_way;
  };
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&is_there));
  return failed_;
}

absl::Status CommitPipeline::Finish() { return Await(0); }

void CommitPipeline::Work() {
  const auto is_wanted = [this]()
                             ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return has_work_ || stops_; };
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(&is_wanted));
      if (!has_work_) return;
      has_work_ = false;
    }
    while (log_.Work()) {
    }
  }
}

}  // namespace walden::bench
