// An engine in memory that tests can hold up, make fail and look into. Keeps what its regions were
// given for as long as the engine lives, as a disk would.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "engine/common/producer_table.h"
#include "engine/log_engine.h"

namespace walden {

// When each record was appended, unless MemoryRegion::unix_micros was changed.
inline constexpr int64_t kAppendedUnixMicros = 1'700'000'000'123'456;

// What one region holds. Any thread.
struct MemoryRegion {
  struct Record {
    TableId table;
    SequenceNumber sequence;
    std::string payload;
    int64_t unix_micros;  // when it was appended
  };
  struct Table {
    SequenceNumber next = 1;
    SequenceNumber deleted_through = 0;
    SequenceNumber durable_through = 0;
    TableKind kind = TableKind::kLog;
  };

  absl::Mutex mutex;
  std::vector<Record> records ABSL_GUARDED_BY(mutex);
  int64_t unix_micros ABSL_GUARDED_BY(mutex) = kAppendedUnixMicros;  // append time from now on
  std::map<TableId, Table> tables ABSL_GUARDED_BY(mutex);
  ProducerTable producers ABSL_GUARDED_BY(mutex);
  uint64_t producer_order ABSL_GUARDED_BY(mutex) = 0;
  uint64_t region_version ABSL_GUARDED_BY(mutex) = 0;
  bool unsynced ABSL_GUARDED_BY(mutex) = false;
  absl::Status failed ABSL_GUARDED_BY(mutex);
  std::vector<size_t> group_sizes ABSL_GUARDED_BY(mutex);  // batches of each commit
  int syncs ABSL_GUARDED_BY(mutex) = 0;
  int notes ABSL_GUARDED_BY(mutex) = 0;
  size_t noted_records ABSL_GUARDED_BY(mutex) = 0;
  int closes ABSL_GUARDED_BY(mutex) = 0;
  int verifications ABSL_GUARDED_BY(mutex) = 0;

  // Faults to come. All are used up by the call that they hit, except those of reading.
  bool fail_next_commit ABSL_GUARDED_BY(mutex) = false;
  bool failing ABSL_GUARDED_BY(mutex) = false;  // the commit under way is the one that fails
  bool answer_commits_later ABSL_GUARDED_BY(mutex) = false;
  SequenceNumber damaged_at ABSL_GUARDED_BY(mutex) = 0;  // reading it is DATA_LOSS; 0: none
  std::function<void()> late_done ABSL_GUARDED_BY(mutex);
  // Readers of these tables find nothing, and not the end either.
  std::set<TableId> endless ABSL_GUARDED_BY(mutex);

  // Runs inside each commit, before anything is stored: to hold the writer up.
  std::function<void()> in_commit ABSL_GUARDED_BY(mutex);
  // Runs before each search by time.
  std::function<void()> in_first_since ABSL_GUARDED_BY(mutex);

  void NoteDurable() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    for (auto& [id, table] : tables) table.durable_through = table.next - 1;
  }
  std::vector<size_t> GroupSizes() ABSL_LOCKS_EXCLUDED(mutex);
  std::vector<std::string> Payloads(TableId table) ABSL_LOCKS_EXCLUDED(mutex);
  // Answers the commit that answer_commits_later kept back.
  void FinishLateCommit() ABSL_LOCKS_EXCLUDED(mutex);
};

class MemoryEngine final : public LogEngine {
 public:
  // Makes it if it is not there. Stays until it is dropped.
  std::shared_ptr<MemoryRegion> Region(RegionId region);

  // Every opening of this region fails with `status` until it is OK again.
  void FailOpening(RegionId region, absl::Status status);
  // Every listing fails with `status` until it is OK again.
  void FailListing(absl::Status status);
  // Runs inside each opening: to hold it up.
  void SetInOpening(std::function<void(RegionId)> in_opening);
  int openings() const;

  absl::string_view name() const override { return "memory"; }
  RecordOrder record_order() const override { return RecordOrder::kAppend; }
  absl::StatusOr<std::vector<RegionId>> ListRegions() const override;
  void OpenRegion(RegionId region, const OpenRequest& request,
                  std::function<void(absl::StatusOr<std::unique_ptr<RegionLog>>)> done) override;
  void DropRegion(RegionId region, std::function<void(absl::StatusOr<bool>)> done) override;
  EngineUsage Usage() const override { return {}; }
  TablePosition PositionInAbsentRegion(TableId) const override { return {}; }
  absl::Status CheckFitsNewRegion(const RegionOptions&, const AppendBatch&) const override {
    return absl::OkStatus();
  }
  void KeepHouse() override {}
  absl::Status CountDiskUsage() override { return absl::OkStatus(); }
  absl::Status VerifyClosedRegion(
      RegionId region, absl::FunctionRef<bool(const VerifyProgress&)> report) const override;

 private:
  absl::StatusOr<std::unique_ptr<RegionLog>> OpenRegionNow(RegionId region,
                                                           const RegionOptions& options,
                                                           bool create);
  absl::StatusOr<bool> DropRegionNow(RegionId region);
  mutable absl::Mutex mutex_;
  std::map<RegionId, std::shared_ptr<MemoryRegion>> regions_ ABSL_GUARDED_BY(mutex_);
  std::map<RegionId, absl::Status> failing_ ABSL_GUARDED_BY(mutex_);
  absl::Status listing_ ABSL_GUARDED_BY(mutex_);
  std::function<void(RegionId)> in_opening_ ABSL_GUARDED_BY(mutex_);
  int openings_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace walden
