// A region's log in segment files: the writer (engine/log_engine.h: RegionLog).
//
// Opening is in segment_log_open.cc, group commit in segment_log_commit.cc, restoring in
// segment_log_restore.cc, retention in segment_log_retention.cc, the rest in segment_log.cc.
// Numbers in here are the log's own; those of a table with an offset (FORMAT.md: restored tables)
// are lowered where clients see them.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "engine/clock.h"
#include "engine/disk_quota.h"
#include "engine/io/file_system.h"
#include "engine/log_engine.h"
#include "engine/memory_budget.h"
#include "engine/observer.h"
#include "engine/producer_table.h"
#include "engine/segment/metadata_file.h"
#include "engine/segment/published_log.h"
#include "engine/segment/record_writer.h"
#include "engine/segment/region_scan.h"
#include "engine/segment/spare_pool.h"

namespace walden::segment {

class SegmentLog final : public RegionLog {
 public:
  struct Environment {
    FileSystem* file_system = nullptr;
    Clock* clock = nullptr;
    const WallClock* wall_clock = nullptr;
    SparePool* spares = nullptr;
    EngineObserver* observer = EngineObserver::Nobody();
    DiskQuota* quota = nullptr;            // may be null
    MemoryBudget* index_budget = nullptr;  // may be null
    RegionDirectory directory;
    RegionOptions options;
  };

  // Scans the directory, repairs what a crash left, applies the recovery policy.
  static absl::StatusOr<std::unique_ptr<SegmentLog>> Open(Environment environment);

  void Commit(absl::Span<AppendBatch* const> group, std::function<void()> done) override;
  absl::StatusOr<SequenceNumber> MarkDeleted(TableId table, SequenceNumber through,
                                             std::optional<uint64_t> region_version) override;
  absl::Status RestoreMark(TableId table, SequenceNumber deleted_through, TableKind kind) override;
  SequenceNumber NextNumber(TableId table) const override;
  absl::Status RestoreNext(TableId table, SequenceNumber next) override;
  absl::Status Sync() override;
  absl::Status Close() override;

  absl::Status Health() const override ABSL_LOCKS_EXCLUDED(health_mutex_);
  bool HasUnsynced() const override { return has_unsynced_.load(std::memory_order_relaxed); }
  TablePosition Position(TableId table) const override { return published_->Position(table); }
  absl::StatusOr<std::unique_ptr<LogReader>> NewReader(const ReadRange& range) const override;
  RegionPage DescribePage(const DescribeCursor& from, size_t limit) const override {
    return published_->DescribePage(from, limit);
  }
  RegionUsage Usage() const override { return published_->Usage(env_.clock->Now()); }
  absl::StatusOr<RetentionPlan> PlanRetention(const RetentionLimits& limits,
                                              absl::Time now) const override;
  absl::Status Verify(absl::FunctionRef<bool(const VerifyProgress&)> report) const override;

 private:
  explicit SegmentLog(Environment environment);

  // --- Opening ---
  absl::Status Recover();
  absl::Status Quarantine(RegionScan& region);
  absl::Status CutTornTail(ScannedSegment& newest, OpeningReport& report);
  absl::StatusOr<std::string> SaveEvidence(const File& file, uint64_t segment,
                                           const TornTail& torn);
  absl::Status OpenNewest(ScannedSegment& newest, bool clean_end, OpeningReport& report);
  absl::Status RemoveLeftovers(const RegionScan& region);
  absl::Status Publish(RegionScan& region);
  absl::Duration AgeOf(const ScannedSegment& segment) const;
  void RestoreProducers(const RegionScan& region);

  // --- Committing ---
  absl::Status Stage(AppendBatch& batch);
  absl::Status CheckBatch(const AppendBatch& batch) const;
  absl::Status DecideKind(const AppendBatch& batch);
  absl::Status Fence(std::optional<uint64_t> version);
  absl::Status MakeRoom(uint64_t bytes);
  absl::Status Reserve(SequenceNumber through);
  void Encode(const AppendBatch& batch, SequenceNumber first);
  absl::Status WriteStaged();
  absl::Status SyncActive();
  absl::Status Roll();
  absl::Status CheckActive();

  // --- Restoring ---
  // The log's own number for a batch with first_sequence; may give the table its offset.
  absl::Status PlaceRestored(const AppendBatch& batch, PublishedLog::TableFacts& table,
                             SequenceNumber* first);
  absl::Status RaiseOffset(TableId table, SequenceNumber shown);
  void PublishStaged();

  // --- Marking ---
  absl::Status RemoveEmptied();
  // The table's first record above the mark, exactly if one segment holds records on both sides of
  // it.
  absl::StatusOr<SequenceNumber> FirstLiveAbove(TableId table, SequenceNumber through) const;

  // --- Verifying (segment_log_verify.cc) ---
  absl::StatusOr<std::optional<DamagedRange>> VerifyMetadata() const;
  std::optional<std::string> WhatMetadataLacks(const MetadataState& stored) const;

  // Appends to the metadata; an error other than DISK_FULL fails the region.
  absl::Status AppendMetadata(absl::Span<const MetadataEntry> entries);
  // The region takes no writes any more. Returns what appends are answered from now on.
  absl::Status Fail(const absl::Status& cause) ABSL_LOCKS_EXCLUDED(health_mutex_);

  std::string SegmentPath(uint64_t id) const;
  std::shared_ptr<const SegmentFile> MakeSegmentFile(uint64_t id, uint64_t bytes) const;

  const Environment env_;
  const std::shared_ptr<PublishedLog> published_;

  // --- The writer's own ---
  std::unique_ptr<MetadataFile> metadata_;
  std::unique_ptr<File> active_;  // null: the newest segment cannot take records, a new one is due
  uint64_t active_id_ = 0;
  uint64_t active_bytes_ = 0;
  uint64_t active_end_ = 0;
  SequenceNumber next_ = 1;       // to be assigned
  SequenceNumber walk_next_ = 1;  // that a scan would expect; lower after an unclean end
  bool barrier_ = true;           // everything written so far is durable
  uint64_t unsynced_bytes_ = 0;
  uint32_t unsynced_appends_ = 0;
  ProducerTable producers_;

  // The group being committed.
  RecordWriter writer_;
  std::vector<PublishedLog::Group> staged_;
  absl::flat_hash_map<TableId, SequenceNumber> staged_last_;

  std::atomic<bool> has_unsynced_{false};
  mutable absl::Mutex health_mutex_;
  absl::Status health_ ABSL_GUARDED_BY(health_mutex_);
};

}  // namespace walden::segment
