// The segment engine, used in this process as the daemon uses it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "engine/log_engine.h"
#include "tests/bench/measurement.h"

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
  // Begins to commit it. It must not be used again before `done`.
  void Begin(RegionLog& log, std::function<void()> done) { log.Commit(group_, std::move(done)); }
  // The error of the first batch that was refused.
  absl::Status status() const;

 private:
  std::vector<AppendBatch> batches_;
  std::vector<AppendBatch*> group_;
};

// Commits groups one after the other with as many under way as the log allows, as the daemon does under
// load: this thread begins them, another one is lent to the log.
class CommitPipeline {
 public:
  // The groups are used in turn. They and the log outlive it.
  CommitPipeline(RegionLog& log, std::vector<RepeatedGroup*> groups);
  ~CommitPipeline();

  // Begins the next commit once there is room for it; the error of one that has failed.
  absl::Status Begin() ABSL_LOCKS_EXCLUDED(mutex_);
  // Waits until none is under way.
  absl::Status Finish() ABSL_LOCKS_EXCLUDED(mutex_);
  // Of commits, from being begun to done. Only after Finish.
  const cli::LatencyHistogram& latency() const { return latency_; }

 private:
  void Work() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Await(size_t most_under_way) ABSL_LOCKS_EXCLUDED(mutex_);

  RegionLog& log_;
  const std::vector<RepeatedGroup*> groups_;
  size_t next_ = 0;
  cli::LatencyHistogram latency_;
  absl::Mutex mutex_;
  size_t under_way_ ABSL_GUARDED_BY(mutex_) = 0;
  bool has_work_ ABSL_GUARDED_BY(mutex_) = false;
  bool stops_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status failed_ ABSL_GUARDED_BY(mutex_);
  std::thread lent_;
};

}  // namespace walden::bench
