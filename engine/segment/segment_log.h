// A region's log in segment files: the writer (engine/log_engine.h: RegionLog).
//
// Opening is in segment_log_open.cc and segment_log_repair.cc, group commit in
// segment_log_commit.cc, the durable position and closing in segment_log_durable.cc, producers in
// segment_log_producers.cc, restoring in segment_log_restore.cc, retention in
// segment_log_retention.cc, seeking by append time in segment_log_times.cc, verifying in
// segment_log_verify.cc, the rest in segment_log.cc. All numbers are the log's own. Those of a table with an offset (FORMAT.md: restored tables) are
// lowered where clients see them.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "base/memory_budget.h"
#include "engine/common/operation_queue.h"
#include "engine/common/producer_table.h"
#include "engine/io/disk_quota.h"
#include "engine/io/file_system.h"
#include "engine/log_engine.h"
#include "engine/observer.h"
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
    RegionDirectory directory;             // with its identity
    RegionOptions options;
    std::function<uint64_t()> random;  // for salts
  };

  // Scans the directory, applies the recovery policy, repairs the end of a log that a crash cut.
  static absl::StatusOr<std::unique_ptr<SegmentLog>> Open(Environment environment);

  CommitPolicy commit_policy() const override;
  void Commit(absl::Span<AppendBatch* const> group, std::function<void()> done) override;
  void OpenProducer(std::optional<uint64_t> region_version, DoneWith<uint64_t> done) override;
  void MarkDeleted(std::vector<TableMark> marks, std::optional<uint64_t> region_version,
                   DoneWith<std::vector<SequenceNumber>> done) override;
  void RestoreMark(TableId table, SequenceNumber deleted_through, TableKind kind,
                   Done done) override;
  void RestoreNext(TableId table, SequenceNumber next, Done done) override;
  void Sync(Done done) override;
  void NoteDurable(Done done) override;
  void Close(Done done) override;
  bool Work() override;
  SequenceNumber NextNumber(TableId table) const override;

  absl::Status Health() const override ABSL_LOCKS_EXCLUDED(health_mutex_);
  bool HasUnsynced() const override { return active_end_ != durable_end_; }
  bool HasUnnoted() const override {
    return active_end_ == durable_end_ && durable_end_ != noted_end_;
  }
  TablePosition Position(TableId table) const override { return published_->Position(table); }
  absl::StatusOr<std::unique_ptr<LogReader>> NewReader(const ReadRange& range) const override;
  std::unique_ptr<TableCut> CutTables() const override;
  RegionPage DescribePage(const DescribeCursor& from, size_t limit) const override {
    return published_->DescribePage(from, limit);
  }
  RegionUsage Usage() const override { return published_->Usage(env_.clock->Now()); }
  absl::StatusOr<SequenceNumber> FirstSince(TableId table, absl::Time time) const override;
  absl::StatusOr<RetentionPlan> PlanRetention(const RetentionLimits& limits,
                                              absl::Time now) const override;
  absl::Status Verify(absl::FunctionRef<bool(const VerifyProgress&)> report) const override;

 private:
  explicit SegmentLog(Environment environment);

  // --- Opening ---
  absl::Status Recover();
  absl::Status ApplyPolicy(const RegionScan& region, OpeningReport& report) const;
  absl::Status OpenMetadata(RegionScan& region);
  absl::Status Quarantine(RegionScan& region);
  void NoteProvenDurable(const RegionScan& region, std::vector<MetadataEntry>& entries) const;
  absl::Status OpenNewest(RegionScan& region, OpeningReport& report);
  absl::Status WriteTailAgain(const ScannedSegment& newest, File& file);
  absl::Status CutTornTail(const ScannedSegment& newest, File& file, OpeningReport& report);
  absl::StatusOr<std::string> SaveEvidence(const File& file, uint64_t segment,
                                           const TornTail& torn);
  absl::Status NoteOpened(const RegionScan& region);
  absl::Status RemoveLeftovers(const RegionScan& region);
  absl::Status Publish(RegionScan& region);
  absl::Duration AgeOf(int64_t written_unix_micros) const;
  // Adds entries that forget the producers that were issued before the end of damage: the damage
  // may have held batches of theirs, and a retry could be stored twice.
  void ForgetProducersBefore(SequenceNumber lost_through,
                             std::vector<MetadataEntry>& entries) const;
  void RestoreProducers(const RegionScan& region);

  // --- Committing ---
  class CommitOperation;
  // Whether a group can be written without the disk being waited for and without a new segment.
  bool CanBegin(absl::Span<AppendBatch* const> group) const;
  void Begin(CommitOperation& commit);
  // Syncs what these commits need and makes them visible. Returns how many it finished.
  size_t Finish(absl::Span<OperationQueue::Operation* const> begun);
  void FinishTogether(absl::Span<CommitOperation* const> commits);
  SequenceNumber StagedLast(TableId table) const;
  void ForgetPublished();
  absl::Status Stage(AppendBatch& batch);
  absl::Status StageOn(AppendBatch& batch);
  absl::Status PassOver(const AppendBatch& batch);
  // LIMIT_EXCEEDED if a batch of so many encoded bytes does not fit a new segment.
  absl::Status CheckFits(uint64_t bytes) const;
  PublishedLog::TableFacts FactsOf(TableId table) const;
  absl::Status CheckPositions(const AppendBatch& batch) const;
  absl::Status DecideKinds(const AppendBatch& batch);
  void ShowNumbers(AppendBatch& batch) const;
  void Remember(const AppendBatch& batch);
  absl::Status NoteWriting();
  absl::Status Fence(std::optional<uint64_t> version);
  absl::Status MakeRoom(uint64_t bytes);
  absl::Status Reserve(SequenceNumber through);
  void Encode(AppendBatch& batch, SequenceNumber first);
  void EncodeTable(const TableAppend& append, uint8_t flags, bool ends_batch);
  absl::Status WriteStaged();
  absl::Status WriteGroup(SequenceNumber first);
  // Makes everything durable that was written. Not while another thread may sync: only one would be
  // told that it failed.
  absl::Status SyncActive();
  // Where the log ended when a group was written.
  struct WrittenEnd {
    uint64_t end = 0;         // in the newest segment
    SequenceNumber next = 1;  // a scan expects it there
    uint64_t appends = 0;     // batches through there
  };
  WrittenEnd written() const;
  absl::Status SyncThrough(const WrittenEnd& end);
  absl::Status Roll();
  absl::Status CheckActive();
  absl::Status StartSegment(const SegmentHeader& header, std::unique_ptr<File> file);
  // The position at which the next group begins, and the end of the segment's usable bytes.
  uint64_t group_begin() const { return active_header_.GroupBegin(active_end_); }
  uint64_t usable_bytes() const;
  // The position after the records in writer_.
  uint32_t StagedEnd() const { return static_cast<uint32_t>(group_begin() + writer_.size()); }

  // --- The durable position ---
  // Makes sure that bytes up to `end` may be written: opening after a crash looks no farther than
  // the watermark's reach.
  absl::Status ExtendReach(uint64_t end);
  absl::Status AppendWatermark(uint64_t reach);
  absl::Status NoteDurableNow();
  absl::Status NoteCleanEnd();
  absl::Status CloseNow();

  // --- Restoring ---
  // Finds the log's own number for a batch with first_sequence; may give the table its offset.
  absl::Status PlaceRestored(const TableAppend& append, PublishedLog::TableFacts& table,
                             SequenceNumber* first);
  absl::Status RaiseOffset(TableId table, SequenceNumber shown);
  absl::Status RestoreMarkNow(TableId table, SequenceNumber deleted_through, TableKind kind);
  absl::Status RestoreNextNow(TableId table, SequenceNumber next);

  // --- Producers ---
  absl::StatusOr<uint64_t> OpenProducerNow(std::optional<uint64_t> region_version);

  // --- Marking ---
  absl::StatusOr<std::vector<SequenceNumber>> MarkDeletedNow(
      absl::Span<const TableMark> marks, std::optional<uint64_t> region_version);
  absl::Status RemoveEmptied();
  // The remembered batches of producers whose records these segments hold.
  std::vector<MetadataEntry> ProducersIn(absl::Span<const PublishedLog::Emptied> segments) const;
  // The table's first record above the mark, if one segment holds records on both sides of the
  // mark; otherwise through + 1.
  absl::StatusOr<SequenceNumber> FirstLiveAbove(TableId table, SequenceNumber through) const;

  // --- Seeking by append time (segment_log_times.cc) ---
  // A number below which all records of the region were appended before `unix_micros`.
  absl::StatusOr<SequenceNumber> NumberSince(int64_t unix_micros) const;

  // --- Verifying (segment_log_verify.cc) ---
  absl::StatusOr<std::optional<DamagedRange>> VerifyMetadata() const;
  std::optional<std::string> WhatMetadataLacks(const MetadataState& stored) const;

  // Appends to the metadata; an error other than DISK_FULL fails the region.
  absl::Status AppendMetadata(absl::Span<const MetadataEntry> entries);
  // Fails the region, which takes no writes any more. Returns the error that appends get from now
  // on.
  absl::Status Fail(const absl::Status& cause) ABSL_LOCKS_EXCLUDED(health_mutex_);

  std::string SegmentPath(uint64_t id) const;
  std::shared_ptr<const SegmentFile> MakeSegmentFile(const SegmentHeader& header) const;

  const Environment env_;
  const std::shared_ptr<PublishedLog> published_;

  OperationQueue operations_;

  // --- The writing state: see OperationQueue for who has it. ---
  std::unique_ptr<MetadataFile> metadata_;
  std::unique_ptr<File> active_;  // null: the newest segment cannot take records, a new one is due
  SegmentHeader active_header_;   // of the newest segment
  // Ends in the newest segment. Other threads look at them too.
  std::atomic<uint64_t> active_end_{0};   // of its last record that was written
  std::atomic<uint64_t> durable_end_{0};  // all before it is durable
  std::atomic<uint64_t> noted_end_{0};    // the same, as the metadata knows it
  uint64_t reach_ = 0;  // no byte from here on is written before the next watermark
  uint64_t reach_step_ = kMinReachBytes;
  SequenceNumber next_ = 1;             // to be assigned
  SequenceNumber floor_ = 0;            // numbers below it may have been answered, of any table
  SequenceNumber walk_next_ = 1;        // a scan expects it next; below next_ after an unclean end
  SequenceNumber written_next_ = 1;     // a scan expects it at active_end_
  SequenceNumber durable_next_ = 1;     // a scan expects it at durable_end_
  uint64_t group_metadata_append_ = 0;  // as the last group says
  int64_t last_unix_micros_ = 0;        // append time of the last group
  // Batches since the opening.
  uint64_t appends_staged_ = 0;
  uint64_t appends_written_ = 0;
  std::atomic<uint64_t> appends_synced_{0};
  ProducerTable producers_;  // a batch's order is its last number

  // The group being written.
  RecordWriter writer_;
  std::vector<PublishedLog::Group> staged_;
  SequenceNumber group_first_ = 0;               // of the group that writer_ holds
  std::vector<PublishedLog::TableFacts> facts_;  // of the tables of the batch being staged
  // The last numbers of tables in commits that may not be published yet. What is in `older` is, once
  // the operations that had been added when it was filled are done.
  absl::flat_hash_map<TableId, SequenceNumber> staged_last_;
  absl::flat_hash_map<TableId, SequenceNumber> older_staged_last_;
  uint64_t older_staged_through_ = 0;

  mutable absl::Mutex health_mutex_;
  absl::Status health_ ABSL_GUARDED_BY(health_mutex_);
};

}  // namespace walden::segment
