// A region's log as readers see it: its segments, the places of each table's visible records, marks
// and known damage. The writer changes the published log when a commit is done. Readers ask it
// where to read next, and keep it alive after the writer is gone.
//
// Any thread. Every call holds one mutex for a short time and never does I/O. Calls that walk all
// tables release the mutex after each slice of them, so that a region of any size does not keep its
// writer waiting.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/memory_budget.h"
#include "engine/common/table_cuts.h"
#include "engine/log_engine.h"
#include "engine/segment/append_times.h"
#include "engine/segment/segment_file.h"
#include "engine/segment/segment_index.h"
#include "engine/segment/segment_scan.h"

namespace walden::segment {

struct PublishedSegment {
  std::shared_ptr<const SegmentFile> file;
  SegmentIndex index;
  uint64_t end = 0;  // of its visible records
  SequenceNumber expected =
      1;  // number that the first record should have, and the one behind `end`
  SequenceNumber expected_at_end = 1;
  SequenceNumber first = 0;  // of the records; both 0 when there is none
  SequenceNumber last = 0;
  uint64_t records = 0;             // written, deleted ones too; numbers may jump
  std::vector<Damage> damage;       // ordered by position
  absl::Duration written;           // when it was last written, by the region's clock, or later
  int64_t written_unix_micros = 0;  // the same, by the clock on the wall
  AppendTimes append_times;         // of its groups; nothing of version 1
};

// The next place to read.
struct ReadPlan {
  enum class Kind {
    kRead,     // `file`, `extents`
    kDamaged,  // `damage` stands before the next record
    kGone,     // one table: everything through `gone_through` was deleted
    kAtEnd,    // nothing more is visible
  };
  Kind kind = Kind::kAtEnd;
  std::shared_ptr<const SegmentFile> file;
  uint64_t segment = 0;              // where it is, or the damage is
  SequenceNumber segment_first = 0;  // the segment's first and last record
  SequenceNumber segment_last = 0;
  std::vector<Extent> extents;
  SequenceNumber first = 0;  // read nothing numbered lower
  SequenceNumber last = 0;   // nor higher
  std::optional<DamagedRange> damage;
  SequenceNumber next_visible = 1;  // what is published later has at least this number
  SequenceNumber gone_through = 0;
  SequenceNumber first_left = 0;  // kGone: of the table, as clients know it
};

// All numbers are the log's own, except the numbers of tables that Position and Describe return:
// those are the clients', without the table's offset (FORMAT.md: restored tables).
class PublishedLog {
 public:
  // `index_budget` limits the memory of the indexes of many logs. It may be null, and outlives this
  // object. Past the limit indexes become coarser, and readers of single tables pass over more
  // records of others.
  explicit PublishedLog(MemoryBudget* index_budget = nullptr) : index_budget_(index_budget) {}
  ~PublishedLog() {
    if (index_budget_ != nullptr) index_budget_->Release(index_bytes_);
  }

  // --- Writer ---

  void AddSegment(PublishedSegment segment);
  void SealNewest();

  // New runs of one segment, whose records now end at `end`; `next` is the region's next number.
  struct Group {
    uint64_t segment = 0;
    uint64_t begin = 0;  // of the head of the first group that holds them
    uint64_t end = 0;
    SequenceNumber expected_at_end = 1;
    int64_t unix_micros = 0;  // when it was written
    std::vector<Run> runs;
  };
  void Publish(const std::vector<Group>& groups, SequenceNumber next, absl::Duration now);

  // Adds what recovery found of a table.
  void RestoreTable(TableId table, SequenceNumber last, SequenceNumber deleted_through);
  void SetEntryTable(TableId table);
  void SetOffset(TableId table, uint64_t offset);
  void SetNext(SequenceNumber next);
  // Sets the lowest next number of every table: a crash may have taken records whose numbers were
  // answered.
  void SetFloor(SequenceNumber floor);
  // Records with lower numbers are durable.
  void SetDurableNext(SequenceNumber next) { durable_next_.store(next, std::memory_order_release); }
  void SetRegionVersion(uint64_t version);
  void SetOpening(OpeningReport report);

  // Raises a mark, so that no record through it is visible. `first_live` is the table's first
  // record above the mark in the segment for which Straddles() is true. Without such a segment the
  // value is not used.
  void RaiseMark(TableId table, SequenceNumber through, SequenceNumber first_live);

  // Whether one segment holds records of the table on both sides of `through`.
  bool Straddles(TableId table, SequenceNumber through) const;

  // Adds a quarantined range of a segment that is gone. Each table counts as having lost records in
  // it until it is marked deleted through it.
  void AddLost(DamagedRange range);

  // Returns the segments that hold nothing live and may be removed: never the newest, and none with
  // damage that some known table has not marked deleted.
  struct Emptied {
    uint64_t id = 0;
    std::string path;
    uint64_t bytes = 0;  // of the file
    SequenceNumber first = 0;
    SequenceNumber last = 0;
    SequenceNumber damaged_through = 0;  // highest number in damage of the segment
  };
  std::vector<Emptied> EmptiedSegments() const ABSL_LOCKS_EXCLUDED(mutex_);
  void RemoveSegments(const std::vector<Emptied>& segments);

  // --- Anybody ---

  TablePosition Position(TableId table) const;
  // The facts about a table that an append needs.
  struct TableFacts {
    SequenceNumber last = 0;  // assigned or marked; 0 = none
    SequenceNumber next = 1;  // as clients know it
    uint64_t offset = 0;
    std::optional<TableKind> kind;  // none: not decided yet
  };
  TableFacts Facts(TableId table) const;
  SequenceNumber LastAssigned(TableId table) const;  // or marked; 0 = none
  // The highest number that may have been given out to the table: LastAssigned, or the end of a
  // damaged range, since damage may have held records of any table.
  SequenceNumber LastKnown(TableId table) const;
  // The highest number that a damaged range may have held; 0 = there is none.
  SequenceNumber DamagedThrough() const;
  SequenceNumber Mark(TableId table) const;  // deleted through; 0 = nothing
  uint64_t Offset(TableId table) const;
  absl::flat_hash_map<TableId, uint64_t> Offsets() const
      ABSL_LOCKS_EXCLUDED(mutex_);  // those that are not 0
  // The states of all tables at this moment. The cut keeps `log` alive.
  static std::unique_ptr<TableCut> NewCut(std::shared_ptr<const PublishedLog> log);
  RegionPage DescribePage(const DescribeCursor& from, size_t limit) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  // `now` is a time of the clock that Publish gets its times from.
  RegionUsage Usage(absl::Duration now) const ABSL_LOCKS_EXCLUDED(mutex_);
  absl::flat_hash_map<TableId, SequenceNumber> Marks() const ABSL_LOCKS_EXCLUDED(mutex_);
  bool Lists(uint64_t segment_id) const;

  // The lowest mark of all known tables; 0 if no table is known. The loss of records in damage
  // through this number is acknowledged.
  SequenceNumber LowestMark() const ABSL_LOCKS_EXCLUDED(mutex_);

  // The end of a segment's visible records.
  struct End {
    uint64_t segment = 0;
    uint64_t offset = 0;
  };
  // The ends of all segments that hold live records, and of the newest one, in log order.
  std::vector<End> Ends() const;

  // Next place to read records of the table that are numbered `from` or higher.
  ReadPlan PlanTable(TableId table, SequenceNumber from, bool pass_damage) const;

  // Next place over all tables, from byte `offset` of segment `segment_id` on, for a reader of
  // records numbered `from` or higher.
  ReadPlan PlanAll(uint64_t segment_id, uint64_t offset, SequenceNumber from,
                   bool pass_damage) const;

  // A segment as retention sees it.
  struct Age {
    uint64_t id = 0;
    // When its last record was written, at the latest. INT64_MAX: not known, since it is damaged.
    int64_t written_unix_micros = 0;
    uint64_t records = 0;  // deleted ones too
    uint64_t live_bytes = 0;
  };
  std::vector<Age> Ages() const;  // in log order

  // A bound, known without I/O, on the records that were appended before a time.
  struct TimeBound {
    SequenceNumber from = 1;  // records with lower numbers were appended before it
    // The segment whose heads of groups say more, from byte `begin` up to `end`; null: none.
    std::shared_ptr<const SegmentFile> file;
    uint64_t begin = 0;
    uint64_t end = 0;
  };
  TimeBound BoundOf(int64_t unix_micros) const ABSL_LOCKS_EXCLUDED(mutex_);

  // The first live record of a table numbered `from` or higher, as clients know its number. Damage
  // that may have held an earlier one counts as a record, and so does the table's next number.
  struct FirstFrom {
    SequenceNumber number = 1;
    bool is_certain = true;  // false: a record at `number` or behind it, which has to be read
  };
  FirstFrom FindFrom(TableId table, SequenceNumber from) const ABSL_LOCKS_EXCLUDED(mutex_);

  // The marks that delete the live records of plain tables in the segments through this one.
  RetentionPlan PlanThrough(uint64_t segment_id) const ABSL_LOCKS_EXCLUDED(mutex_);

  struct SegmentExtent {
    std::shared_ptr<const SegmentFile> file;
    uint64_t end = 0;
    SequenceNumber expected = 1;
    SequenceNumber expected_at_end = 1;
    std::vector<Damage> damage;
  };
  std::vector<SegmentExtent> Segments() const;

 private:
  struct Table {
    SequenceNumber last = 0;  // highest number ever assigned, as far as known
    SequenceNumber deleted_through = 0;
    SequenceNumber first_live = 0;  // both 0 when none is live
    SequenceNumber last_live = 0;
    TableKind kind = TableKind::kLog;
    uint64_t offset = 0;

    // False for a table whose first append failed.
    bool known() const { return last > 0 || kind == TableKind::kEntries; }
    SequenceNumber Shown(SequenceNumber stored) const { return stored - std::min(stored, offset); }
  };

  class Cut;

  // Returns the table, to be changed, and adds it if it is not known.
  Table& Of(TableId table) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Visits every table, in order, in slices. The writer may change the log between two slices.
  void ForEachTable(absl::FunctionRef<void(TableId, const Table&)> visit) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Visits the tables of one segment, in slices. A segment that is gone has none.
  void ForEachTableOf(uint64_t segment_id,
                      absl::FunctionRef<void(TableId, const Table&, const SegmentIndex&)> visit)
      const ABSL_LOCKS_EXCLUDED(mutex_);

  // Returns one slice of a description, and lowers `left` by the items on it.
  RegionPage DescribeSlice(const DescribeCursor& from, size_t& left) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  std::optional<DescribeCursor> DescribeTables(TableId from, size_t& left,
                                               RegionDescription& description) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  std::optional<DescribeCursor> DescribeSegments(const DescribeCursor& from, size_t& left,
                                                 RegionDescription& description) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  // Charges the change in size of an index that took `before` bytes.
  void Charge(const SegmentIndex& index, uint64_t before) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void KeepIndexInBudget() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::optional<OldestRecord> Oldest(absl::Duration now) const ABSL_LOCKS_EXCLUDED(mutex_);
  // None if the segment is gone.
  std::optional<int64_t> AppendedBy(uint64_t segment_id, SequenceNumber sequence) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  // The first damage that may have held records numbered `from` or higher.
  std::optional<DamagedRange> DamageFrom(SequenceNumber from) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // Nothing for a table whose first append failed.
  std::optional<TableState> StateOf(TableId id, const Table& table) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  TablePosition PositionOf(TableId table) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  // The table's next number as clients know it.
  SequenceNumber NextOf(const Table& table) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  MemoryBudget* const index_budget_;
  std::atomic<SequenceNumber> durable_next_{1};
  mutable absl::Mutex mutex_;
  uint64_t index_bytes_ ABSL_GUARDED_BY(mutex_) = 0;         // of all segments
  uint64_t next_coarsening_at_ ABSL_GUARDED_BY(mutex_) = 0;  // index_bytes_, at least
  std::map<uint64_t, PublishedSegment> segments_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<TableId, Table> tables_ ABSL_GUARDED_BY(mutex_);
  mutable TableCuts<Table> cuts_ ABSL_GUARDED_BY(mutex_);
  absl::btree_set<TableId> table_ids_ ABSL_GUARDED_BY(mutex_);  // the keys of tables_
  std::vector<DamagedRange> lost_ ABSL_GUARDED_BY(mutex_);  // of segments that are gone, by number
  SequenceNumber damaged_through_ ABSL_GUARDED_BY(mutex_) = 0;
  SequenceNumber next_ ABSL_GUARDED_BY(mutex_) = 1;
  SequenceNumber floor_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t region_version_ ABSL_GUARDED_BY(mutex_) = 0;
  std::shared_ptr<const OpeningReport> opening_ ABSL_GUARDED_BY(mutex_) =
      std::make_shared<const OpeningReport>();

  uint64_t marks_raised_ ABSL_GUARDED_BY(mutex_) = 0;
  // The last result of Oldest, kept until a mark may have changed it.
  struct OldestFound {
    uint64_t segment = 0;
    TableId table = 0;
    SequenceNumber sequence = 0;
    SequenceNumber shown = 0;  // as clients count
  };
  mutable std::optional<OldestFound> oldest_ ABSL_GUARDED_BY(mutex_);
};

DamagedRange ShownDamage(const SegmentFile& file, const Damage& damage);

}  // namespace walden::segment
