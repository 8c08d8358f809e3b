// A region's log in its namespace's RocksDB: the writer (engine/log_engine.h: RegionLog).
//
// Opening is in rocksdb_log_open.cc, group commit in rocksdb_log_commit.cc, producers in
// rocksdb_log_producers.cc, restoring in rocksdb_log_restore.cc, append times and retention in
// rocksdb_log_times.cc, verifying in rocksdb_log_verify.cc, the rest in rocksdb_log.cc.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "engine/common/operation_queue.h"
#include "engine/common/producer_table.h"
#include "engine/log_engine.h"
#include "engine/rocksdb/namespace_state.h"
#include "engine/rocksdb/published_tables.h"
#include "rocksdb/write_batch.h"

namespace walden::rocks {

// The largest batch, in encoded bytes: RocksDB holds one write in memory as a whole.
inline constexpr uint64_t kMaxBatchBytes = uint64_t{1} << 30;
// INVALID_ARGUMENT (LIMIT_EXCEEDED) if the batch takes more than kMaxBatchBytes.
absl::Status CheckBatchFits(const AppendBatch& batch);

class RocksdbLog final : public RegionLog {
 public:
  // Opens a region that exists, in a namespace that is open.
  static absl::StatusOr<std::unique_ptr<RocksdbLog>> Open(std::shared_ptr<NamespaceState> space,
                                                          RegionId region,
                                                          const RegionOptions& options);
  ~RocksdbLog() override { FinishNumbers(); }

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

  absl::Status Health() const override;
  bool HasUnsynced() const override { return has_unsynced_.load(std::memory_order_relaxed); }
  bool HasUnnoted() const override { return !HasUnsynced() && space_->database.HasUnnoted(); }
  TablePosition Position(TableId table) const override { return tables_->Position(table); }
  absl::StatusOr<std::unique_ptr<LogReader>> NewReader(const ReadRange& range) const override;
  std::unique_ptr<TableCut> CutTables() const override;
  RegionPage DescribePage(const DescribeCursor& from, size_t limit) const override;
  RegionUsage Usage() const override;
  absl::StatusOr<SequenceNumber> FirstSince(TableId table, absl::Time time) const override;
  absl::StatusOr<RetentionPlan> PlanRetention(const RetentionLimits& limits,
                                              absl::Time now) const override;
  absl::Status Verify(absl::FunctionRef<bool(const VerifyProgress&)> report) const override;

 private:
  RocksdbLog(std::shared_ptr<NamespaceState> space, RegionId region, const RegionOptions& options);

  // --- Opening ---
  absl::Status Load();
  absl::Status LoadKeys(rocksdb::DB& db, std::map<TableId, PublishedTable>& tables,
                        bool* is_foreign);
  absl::Status LoadProducers(rocksdb::DB& db);
  // Writes the region and table keys that a region of HoraeDB lacks, by its MaxSeq keys.
  absl::Status Adopt(std::map<TableId, PublishedTable>& tables);
  // Sets first_live and bytes of tables that have records.
  absl::Status LookAtRecords(rocksdb::DB& db, std::map<TableId, PublishedTable>& tables,
                             uint64_t* keys_read);

  // Sets the times of tables, and writes a key for the tables that have records and no times.
  absl::Status LoadTimes(std::map<TableId, PublishedTable>& tables);
  absl::Status FindTimes(rocksdb::DB& db, std::map<TableId, PublishedTable>& tables) const;

  // --- Committing ---
  void CommitNow(absl::Span<AppendBatch* const> group);
  absl::StatusOr<uint64_t> OpenProducerNow(std::optional<uint64_t> region_version);
  absl::Status SyncNow();
  absl::Status NoteDurableNow();
  absl::Status CloseNow();
  // OK if writes may go on; otherwise the error of Health(), or DISK_FULL if there is no room for
  // `bytes`.
  absl::Status ReadyForWrites(uint64_t bytes);
  // Goes on in a new opening of the namespace, after RocksDB found no room for a table file. Every
  // write of the old one either succeeded or was not begun, so none is in doubt.
  absl::Status Resume();
  void AllDurable();
  absl::Status Stage(AppendBatch& batch);
  absl::Status CheckRoom();
  absl::Status CheckPositions(const AppendBatch& batch) const;
  absl::Status Assign(AppendBatch& batch);
  absl::Status Fence(std::optional<uint64_t> version);
  absl::Status Reserve(TableId table, SequenceNumber through);
  void Encode(const AppendBatch& batch);
  void EncodeTable(const TableAppend& append, TableKind kind);
  // Stages the key of an append time if one is due. Records from `first` on come after it.
  std::optional<TimePoint> StageTime(TableId table, SequenceNumber first);
  void FinishNumbers();
  // Undoes the group, of which nothing was stored for lack of room.
  void TakeGroupBack();
  // Answers a group for which there is no room. A retry of a stored batch still gets its numbers.
  void Refuse(absl::Span<AppendBatch* const> group, const absl::Status& no_room);
  void Remember(const AppendBatch& sent);
  void BeginGroup();
  // Writes the staged records, or syncs the records that were written before. After an error the
  // records may be stored or not: the region has failed.
  absl::Status WriteStaged(bool sync);

  // --- Restoring (rocksdb_log_restore.cc) ---
  absl::Status RestoreMarkNow(TableId table, SequenceNumber deleted_through, TableKind kind);
  absl::Status RestoreNextNow(TableId table, SequenceNumber next);
  absl::Status AssignRestored(TableAppend& append);

  uint64_t StoredBytes(rocksdb::DB& db) const;

  // --- Marking ---
  absl::StatusOr<std::vector<SequenceNumber>> MarkDeletedNow(
      absl::Span<const TableMark> marks, std::optional<uint64_t> region_version);
  // The keys of append times that a mark passes, and the oldest one that is left.
  struct PassedTimes {
    std::vector<std::string> keys;
    std::optional<TimePoint> oldest;
  };
  absl::StatusOr<PassedTimes> TimesPassed(TableId table, SequenceNumber first_live) const;
  // A mark that is to be raised.
  struct RaisedMark {
    TableId table = 0;
    SequenceNumber through = 0;
    SequenceNumber first_live = 0;
    PassedTimes passed = {};
  };
  // None if the table's mark is as high already.
  absl::StatusOr<std::optional<RaisedMark>> PlanMark(const TableMark& mark) const;
  absl::Status WriteMarks(const std::vector<RaisedMark>& raises);
  absl::StatusOr<SequenceNumber> FirstLiveAbove(TableId table, SequenceNumber through) const;
  // --- Seeking by append time (rocksdb_log_times.cc) ---
  // A number below which all records of the table were appended before the time.
  absl::Status NumberSince(rocksdb::DB& db, TableId table, const TimeSpan& times,
                           int64_t unix_micros, SequenceNumber* since) const;

  // `is_short`: the disk or the quota is full, so space is reclaimed at once.
  void Reclaim(TableId table, uint64_t bytes, bool is_short);

  const std::shared_ptr<NamespaceState> space_;
  const RegionId region_;
  const RegionOptions options_;
  const std::shared_ptr<PublishedTables> tables_ =
      std::make_shared<PublishedTables>(&space_->allocator);

  OperationQueue operations_;

  // --- The writing state: of the thread that runs an operation. ---
  ProducerTable producers_;
  bool producers_in_doubt_ = false;    // some of their batches were not stored
  uint64_t producer_order_ = 0;        // of the last batch, number passed over or id issued
  std::set<TableId> reserved_tables_;  // since the region was opened
  uint32_t unsynced_appends_ = 0;
  bool refused_for_room_ = false;  // the last append that came so far

  // The group being committed.
  rocksdb::WriteBatch batch_;
  std::vector<PublishedTables::Appended> staged_;
  absl::flat_hash_map<TableId, PublishedTables::Appended> staged_last_;
  // By table, the first number under way (SequenceAllocator::Assign).
  absl::flat_hash_map<TableId, SequenceNumber> under_way_;
  std::optional<absl::Status> room_;  // whether there is room for the group; asked once
  absl::Status group_error_;
  bool group_is_begun_ = false;  // WriteStaged was called for it
  uint64_t group_bytes_ = 0;
  uint32_t unsynced_before_group_ = 0;
  bool fence_staged_ = false;
  int64_t group_unix_micros_ = 0;  // append time of the group

  std::atomic<uint64_t> generation_;
  std::atomic<uint64_t> region_version_{0};
  std::atomic<bool> has_unsynced_{false};
  mutable absl::Mutex opening_mutex_;
  OpeningReport opening_ ABSL_GUARDED_BY(opening_mutex_);
};

// Checks everything stored of a region, without its RegionLog. `units` null: as stored.
absl::Status VerifyRegion(const NamespaceState& space, RegionId region,
                          const PublishedTables* tables,
                          absl::FunctionRef<bool(const VerifyProgress&)> report);

}  // namespace walden::rocks
