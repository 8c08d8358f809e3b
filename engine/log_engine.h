// The interface of a storage engine: the daemon keeps its logs through it, on whatever medium.
//
// An engine keeps these guarantees, and tests/conformance holds every engine to them:
//
//   G1  An append answered as durable is returned by every later read until it is marked deleted.
//   G2  A batch is all or nothing, at every crash point.
//   G3  Records come back byte for byte, in sequence order, each once.
//   G4  Sequence numbers are assigned in the order in which commits are dispatched, which is their
//       order in the log, and told only once the commit is done. After a commit that failed none
//       succeeds until the region is reopened, and what the reopening finds is a prefix of them.
//   G5  Deleted stays deleted, and numbers that were given out never come back, across restarts and
//       power cuts.
//   G6  A torn tail (the last write, cut by a crash and never acknowledged as durable) is cut off,
//       kept as evidence and reported, and the region opens. Damage anywhere else is reported with
//       its exact range and handled by RecoveryPolicy. An I/O error is never taken for either.
//   G7  One broken region never stops another.
//   G8  Only one process opens a data directory.
//
// Nothing here speaks of files: an engine may keep its log on a disk, in RocksDB or in an object
// store.
//
// Functions that change a log are asynchronous: one that takes `done` begins the operation, and `done`
// is called once, in any thread, with its outcome. Operations take effect in the order in which they
// were begun, and commits finish in that order. An engine that waits for a disk has no threads of
// its own for that: it works in the threads that are lent to it (RegionLog::Work). An engine that
// waits for a network finishes operations by itself. `done` is called without a lock of the engine,
// may begin further operations, and must not block. It is never called after the log was destroyed:
// what was under way then is as after a crash.
//
// Where the outcome of a write is not known (a lost answer, a timeout), the engine finds it out: the
// operation and all behind it wait until it is known or the region has failed. Nothing is reported
// done by a guess.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "engine/description.h"
#include "engine/types.h"
#include "engine/usage.h"

namespace walden {

// ---------------------------------------------------------------------------------------------------
// Appending

// Identifies a batch across retries (proto/walden/v1/wal.proto: ProducerBatch).
struct ProducerTag {
  uint64_t id = 0;        // from RegionLog::OpenProducer
  uint64_t sequence = 0;  // from 1 without gaps, over all tables of the region together
};

// The most tables of one batch.
inline constexpr size_t kMaxTablesPerBatch = 256;

// How far back retries are recognised. A producer's window has its last batches: at most
// kProducerWindowBatches, which together have at most kProducerWindowTables tables. A region
// remembers the numbers of each table of a batch, so this bounds its memory and its metadata.
inline constexpr size_t kProducerWindowBatches = 128;
inline constexpr size_t kProducerWindowTables = 2048;
static_assert(kProducerWindowTables >= kMaxTablesPerBatch, "the last batch can be retried");
inline constexpr size_t kMaxProducersPerRegion = 1024;  // the most recently active ones

// The records of a batch that go to one table, with contiguous numbers.
struct TableAppend {
  TableId table = 0;
  // At least one. The bytes must stay valid until the commit is done.
  std::vector<absl::string_view> payloads;
  // The table's TablePosition::next. The first record may get a higher number if other tables come
  // before this one in the batch.
  std::optional<SequenceNumber> expected_next_sequence;
  // Restoring a log that was kept elsewhere: the first record's number there, at least the table's
  // next (otherwise SEQUENCE_MISMATCH). See RestoreMark. Only in a batch of one table.
  std::optional<SequenceNumber> first_sequence;

  // Set by the engine. 0 unless the batch was accepted.
  SequenceNumber first = 0;
  SequenceNumber last = 0;
};

struct AppendResult {
  absl::Status status;
  bool durable = false;
  bool duplicate = false;  // a retry, answered with its original numbers
  // With REGION_FAILED and OWNED_ELSEWHERE: the batch was being written when the region failed or was
  // lost, so that it is stored or not. With any other error it is not stored.
  bool may_be_stored = false;
};

// The records of one append, which goes to one table or several tables of the region. The batch is
// stored as a whole or not at all.
struct AppendBatch {
  // Each table at most once, kMaxTablesPerBatch at most. None: the batch passes over the producer's
  // number; then only `region_version` is looked at beside it.
  absl::InlinedVector<TableAppend, 1> tables;
  Durability durability = Durability::kSync;
  std::optional<uint64_t> region_version;
  std::optional<ProducerTag> producer;
  TableKind kind = TableKind::kLog;  // of all its tables
  // OK while somebody waits for the batch. Asked right before it gets its numbers, however long it
  // waited behind other operations: with an error it is not stored, and answered with that. In any
  // thread; must not block. None: somebody does.
  std::function<absl::Status()> is_wanted;

  AppendResult result;  // set by the engine

  size_t records() const {
    size_t count = 0;
    for (const TableAppend& table : tables) count += table.payloads.size();
    return count;
  }

  // Removes result and numbers.
  void ClearResult() {
    result = AppendResult{};
    for (TableAppend& table : tables) table.first = table.last = 0;
  }
};

// ---------------------------------------------------------------------------------------------------
// Reading

struct TablePosition {
  // The first live record, or damage in front of it that may have held one; equals next when there
  // is neither.
  SequenceNumber first = 1;
  // The number that the next append is assigned and accepts as expected. Numbers in damaged ranges
  // count as given out, since they may have been the table's.
  SequenceNumber next = 1;
  SequenceNumber deleted_through = 0;  // 0 = nothing
  std::optional<TableKind> kind;       // none: not decided yet
  // The highest number that a record has or had, or that is marked; 0: none. Lower than next - 1
  // where numbers were given out to records that a crash took or damage hides, or to another
  // region's table of this id.
  SequenceNumber last = 0;
  // Every record through this number is durable; `last` unless BUFFERED records wait for their sync.
  SequenceNumber durable_through = 0;
  bool damaged = false;  // a damaged range may have held records that are not marked deleted
};

struct ReadRange {
  std::optional<TableId> table;              // none: all tables, in the engine's order
  SequenceNumber first = 0;                  // inclusive; 0: from the first one that is left
  SequenceNumber last = kMaxSequenceNumber;  // inclusive
  // Skips damaged ranges that the region's OpeningReport names, instead of answering DATA_LOSS.
  // Only for callers that hand that report on. Damage that is not in the report stays DATA_LOSS.
  bool pass_known_damage = false;
  // Goes on after records that were marked deleted before they were visited (kSkipped), instead of
  // answering OUT_OF_RANGE (RECORDS_GONE).
  bool skip_deleted = false;
};

struct RecordView {
  TableId table = 0;
  SequenceNumber sequence = 0;
  absl::string_view payload;  // valid only inside the visit
};

struct ReadLimits {
  size_t max_records = SIZE_MAX;
  size_t max_payload_bytes = SIZE_MAX;  // the record that reaches it is still visited
  // A record with a larger payload is not visited: the call stops in front of it (kTooLarge). For
  // callers whose memory is bounded.
  size_t max_record_bytes = SIZE_MAX;
};

enum class ReadProgress {
  kMore,      // stopped at a limit; call again
  kAtEnd,     // nothing more is visible now; later calls return what becomes visible until then
  kFinished,  // the range's last number was passed; nothing will ever follow
  kTooLarge,  // the next record's payload exceeds max_record_bytes: call again with more
  kSkipped,   // skip_deleted: nothing was visited, deleted numbers were passed over; call again
  kFetching   // what comes next is on its way: call again once LogReader::WhenFetched says so
};

// Walks the visible records of a range. A record is visible once its append has been answered,
// until it is marked deleted. One thread at a time; never waits for a writer; stays usable while
// the log is written, and after the RegionLog was closed.
class LogReader {
 public:
  virtual ~LogReader() = default;

  // Visits records from where the last call stopped. Every checksum is checked before its record is
  // visited. DATA_LOSS at a damaged range that may have held records of the range, or where a file
  // is missing; calling again says the same. OUT_OF_RANGE (RECORDS_GONE, "first_sequence": the
  // first number that is left) when the next numbers of the range were marked deleted: judged by
  // the table's mark, since a gap in the numbers alone says nothing. Over all tables, a reader
  // visits what was live when it was made, or ends with RECORDS_GONE. UNAVAILABLE after an I/O
  // error.
  virtual absl::StatusOr<ReadProgress> Next(const ReadLimits& limits,
                                            absl::FunctionRef<void(const RecordView&)> visit) = 0;

  // After kFetching: calls `ready` once, in this thread or another, when it is worth calling Next
  // again; at the latest when that would say why nothing comes. Not after the reader was destroyed.
  // Readers of a disk never say kFetching: they read in the calling thread.
  virtual void WhenFetched(std::function<void()> ready) { ready(); }

  // After kTooLarge: payload bytes and number of the record that comes next.
  virtual size_t too_large_bytes() const = 0;
  virtual SequenceNumber too_large_sequence() const = 0;

  // From now on the range ends with what is visible now, with batches over several tables as a whole.
  // Readers whose range cannot grow do nothing.
  virtual void EndHere() = 0;
};

// ---------------------------------------------------------------------------------------------------
// Retention: deleting old records that no client marked deleted

// Limits beyond which old records are deleted. A limit of 0 is not set. A record is due as soon as
// it is beyond one of the limits that are set.
struct RetentionLimits {
  absl::Duration age;    // keeps records written within this time
  uint64_t bytes = 0;    // keeps the newest live records that fit these bytes
  uint64_t records = 0;  // keeps this many of the newest records, live or not

  bool none() const { return age <= absl::ZeroDuration() && bytes == 0 && records == 0; }
  bool operator==(const RetentionLimits&) const = default;
};

// Deletes the table's records through a number.
struct TableMark {
  TableId table = 0;
  SequenceNumber through = 0;
};

struct RetentionPlan {
  std::vector<TableMark>
      marks;             // to be given to MarkDeleted, ordered by table; empty: nothing is due
  uint64_t records = 0;  // that these marks delete, about
  uint64_t bytes = 0;    // of these records, 0 where an engine does not know
};

// ---------------------------------------------------------------------------------------------------
// A region's log

// The states of all tables of a region as they were at one moment. One thread at a time. Stays usable
// after the log was closed.
class TableCut {
 public:
  virtual ~TableCut() = default;

  // The states of the next tables, ordered by id: `limit`, or fewer if no more are left.
  virtual std::vector<TableState> Next(size_t limit) = 0;
};

// The part of a region's log that only reads. It suffices to copy the region.
class ReadableLog {
 public:
  virtual ~ReadableLog() = default;

  // No record of the table will get a lower number than this one: Position().next, or higher where
  // numbers may have been given out to records that are gone. Of a log that is written: as the
  // writer's functions.
  virtual SequenceNumber NextNumber(TableId table) const = 0;

  // --- Any thread, without waiting for the writer's I/O. ---

  // {1, 1, 0} for a table that was never written.
  virtual TablePosition Position(TableId table) const = 0;

  virtual absl::StatusOr<std::unique_ptr<LogReader>> NewReader(const ReadRange& range) const = 0;

  // At most `limit` items from `from` on. Items are tables, damaged ranges, and what stands of
  // segments: their ranges of tables, or the segment itself if it has none. 0: none of them, but
  // all that is no list. No call holds what a commit needs longer than it takes to copy some
  // thousand items, however large the region is. The log goes on between two pages.
  virtual RegionPage DescribePage(const DescribeCursor& from, size_t limit) const = 0;

  // The states of all tables at this moment: a batch over several tables is in it as a whole, or not
  // at all. They are copied in slices while the log goes on, and the cut takes memory for each table
  // that changes before it is copied.
  virtual std::unique_ptr<TableCut> CutTables() const = 0;

  // All pages together, for whoever has the memory. Each part is true of its moment.
  RegionDescription Describe() const;

  // Without lists: opening.damaged, tables and segments are empty.
  RegionDescription Summary() const { return DescribePage({}, 0).description; }

  // The lowest number of the table whose record may have been appended at `time` or later, or
  // damage in front of it that may have held one; Position().next if there is neither. Every live
  // record below it was appended before `time`. Append times come from the clock on the wall and
  // never fall within a table: while the clock is behind the last append time, records get that
  // time. A restored record was appended when it was restored. An engine may know append times only
  // roughly, and then returns a lower number, never a higher one. May read the medium.
  virtual absl::StatusOr<SequenceNumber> FirstSince(TableId table, absl::Time time) const = 0;
};

// Ownership of a log: who may change it. An engine on a disk owns what it has opened, since it locked it. An engine
// whose logs others can open as well owns a log from Acquire until Release, or until another one
// takes it over. Opening is not owning: until then it answers readers with what it finds, which may be
// old.
struct Ownership {
  bool is_owner = true;
  // Where another one that owns it can be reached; empty: nobody owns it, or it is not known.
  std::string owner;
};

struct AcquireRequest {
  std::optional<uint64_t> region_version;
  // By an operator: from whoever owns it, whatever its version. The version stays.
  bool take_over = false;
};

// How an engine wants commits of a region to be dispatched.
struct CommitPolicy {
  // The most commits that may be under way: begun, and not done. At least 1.
  size_t max_under_way = 1;
  // Payload bytes from which on a group is worth its own commit while others are under way. Smaller
  // groups do better to grow until one of those is done.
  uint64_t worthwhile_bytes = 0;
  // How long appends may wait to be joined by others before their commit is begun, for an engine
  // whose commits cost money or round trips. A full group does not wait.
  absl::Duration linger;
};

class RegionLog : public ReadableLog {
 public:
  using Done = std::function<void(const absl::Status&)>;
  template <typename T>
  using DoneWith = std::function<void(absl::StatusOr<T>)>;

  ~RegionLog() override = default;  // without Close(): as after a crash

  // --- The writer: one thread at a time. ---

  virtual CommitPolicy commit_policy() const { return {}; }

  // Appends the batches in order, as one group: one write, and if any accepted batch asks for SYNC
  // one sync, after which all of them are durable. Sets each batch's result and numbers, makes what
  // was accepted visible to readers, then calls `done`. The batches stay until then. Not while
  // commit_policy().max_under_way commits are under way. Refusals are per batch:
  //   INVALID_ARGUMENT     a table without payload, or twice in the batch; too many tables, or a
  //                        batch that no segment can hold (LIMIT_EXCEEDED); a retry that differs
  //                        from what was stored (PRODUCER_BATCH_DIFFERS)
  //   ABORTED              SEQUENCE_MISMATCH, of any of the tables
  //   FAILED_PRECONDITION  FENCED, PRODUCER_OUT_OF_ORDER, PRODUCER_FORGOTTEN, WRONG_TABLE_KIND,
  //                        RESTORE_OUT_OF_ORDER
  //   RESOURCE_EXHAUSTED   DISK_FULL, DISK_RESERVE, QUOTA_EXCEEDED, TOO_MANY_FILES, of engines that
  //                        have such a limit: the batch is not stored, and the region stays healthy
  //   FAILED_PRECONDITION  REGION_FAILED, to this and every later batch: a write or sync failed,
  //                        see AppendResult::may_be_stored. A refusal for what another batch under
  //                        way would have changed becomes this one too.
  //   FAILED_PRECONDITION  OWNED_ELSEWHERE ("owner"), if the log is not owned, or was lost: not
  //                        stored, unless AppendResult::may_be_stored
  virtual void Commit(absl::Span<AppendBatch* const> group, std::function<void()> done) = 0;

  // Issues a producer id, durably: higher than every one before, also after marks, restarts and
  // power cuts. Forgets the least recently active id if there are kMaxProducersPerRegion. FENCED
  // and RESOURCE_EXHAUSTED as for an append.
  virtual void OpenProducer(std::optional<uint64_t> region_version, DoneWith<uint64_t> done) = 0;

  // Marks everything of each table through `through` (clamped to its end) deleted, durably, and
  // frees what that makes free. Each table at most once; one sync for all. The result has the
  // tables' marks in the order of `marks`. Without marks it only raises the region version. After
  // an error or a crash each of them may be made or not. Works on a full disk. Damaged ranges that
  // are marked count as acknowledged for their table and are no DATA_LOSS to it any more.
  virtual void MarkDeleted(std::vector<TableMark> marks, std::optional<uint64_t> region_version,
                           DoneWith<std::vector<SequenceNumber>> done) = 0;

  // Restoring a log that was kept elsewhere, one table after the other: the table's numbers through
  // this one were used there and are marked deleted. Then come its records, with first_sequence;
  // then the next table. For a table that has no records here yet (otherwise FAILED_PRECONDITION);
  // again with the same mark is harmless. Before anybody reads the table. Durable when done.
  virtual void RestoreMark(TableId table, SequenceNumber deleted_through, TableKind kind,
                           Done done) = 0;

  // Restoring, behind the table's records: raises NextNumber. Durable when done.
  virtual void RestoreNext(TableId table, SequenceNumber next, Done done) = 0;

  // Makes everything durable that was written by commits that were begun before.
  virtual void Sync(Done done) = 0;

  // Writes down how far the log is durable, if no BUFFERED records wait and it is not written down
  // yet. Bytes that are missing or wrong below that position are damage after a crash, never a torn
  // tail. Meant for a log that was idle for some milliseconds: it costs a sync. An error other than
  // RESOURCE_EXHAUSTED fails the region.
  virtual void NoteDurable(Done done) = 0;

  // Takes the log over so that it can be changed; OK at once if it is owned. A log that nobody owns,
  // or that this engine owned before it was restarted, is taken; one that another owns only with a
  // higher region version than it was taken with, or by `take_over`. FENCED if the version is lower
  // than the highest that the region has seen; OWNED_ELSEWHERE ("owner").
  virtual void Acquire(const AcquireRequest& /*request*/, Done done) { done(absl::OkStatus()); }

  // Finishes what was begun before, durably, and lets go of the log, so that any other can take it.
  // Readers go on. UNIMPLEMENTED (UNSUPPORTED) by engines that own what they have opened.
  virtual void Release(Done done);

  // Syncs and lets go of what it holds. Nothing may be begun afterwards. A failed region closes too,
  // without touching its log again. The log may be destroyed inside of `done`.
  virtual void Close(Done done) = 0;

  // --- Any thread. ---

  // Lends this thread to the log: waits for the disk on behalf of operations that were begun, and
  // calls what they have for `done`. One step: what can be finished together. Returns whether more
  // is to be done, so that somebody must call it again. False also while another thread is in it,
  // which does the rest or is told that more is left. The log must outlive the call.
  virtual bool Work() { return false; }

  // --- Any thread, without waiting for the writer's I/O. ---

  // OK, or why the region no longer takes appends until it is reopened.
  virtual absl::Status Health() const = 0;

  virtual Ownership ownership() const { return {}; }

  // Whether BUFFERED records wait to be made durable.
  virtual bool HasUnsynced() const = 0;

  // Whether NoteDurable would write something down.
  virtual bool HasUnnoted() const = 0;

  // Does not look at every table, nor, but for its own cheap files, at the disk.
  virtual RegionUsage Usage() const = 0;

  // Returns the marks by which the records that are due at `now` would be deleted. The plan covers
  // only records that are durable, or will be before they are deleted. It leaves out tables of row
  // entries: only the client of an entry log knows which entries it still needs. May read the ages
  // of files. INVALID_ARGUMENT for a limit that the engine cannot judge.
  virtual absl::StatusOr<RetentionPlan> PlanRetention(const RetentionLimits& limits,
                                                      absl::Time now) const = 0;

  // Reads everything stored again from the medium and checks it; `report` is called now and then,
  // and once at the end; it returns false to stop early.
  virtual absl::Status Verify(absl::FunctionRef<bool(const VerifyProgress&)> report) const = 0;
};

// Settings that may differ from region to region.
struct RegionOptions {
  RecoveryPolicy recovery_policy = RecoveryPolicy::kRefuse;
  // BUFFERED appends are made durable after this many writes.
  uint32_t buffered_sync_every_writes = 10;
  // The most commits that may be under way, for engines that can overlap them.
  size_t max_commits_under_way = 2;
  // Segment engine: bytes of each new segment file.
  uint64_t segment_size_bytes = uint64_t{64} << 20;
};

struct OpenRequest {
  RegionOptions options;
  // The region if it does not exist. An engine that owns nothing by opening makes it when it is
  // acquired.
  bool create = false;
  // Called when the log was lost to another owner, before it is taken again, and when readers may see
  // more that no commit of this log wrote. In any thread, without a lock; must not block. Never after
  // the log was destroyed, which may happen inside of it.
  std::function<void()> on_change;
};

// ---------------------------------------------------------------------------------------------------
// An engine: one namespace

class LogEngine {
 public:
  virtual ~LogEngine() = default;  // every RegionLog must be gone

  virtual absl::string_view name() const = 0;  // "segment", "rocksdb"

  // Any thread. The order in which a reader of all tables visits records.
  virtual RecordOrder record_order() const = 0;

  // Any thread.
  virtual EngineUsage Usage() const = 0;

  // Any thread. Regions that exist on the medium, sorted.
  virtual absl::StatusOr<std::vector<RegionId>> ListRegions() const = 0;

  // Whether opening a region is owning it.
  virtual bool opening_owns() const { return true; }

  // Any thread. Those of ListRegions that this engine owned when it was stopped, and so has to go on
  // with; the others are opened when somebody asks for them.
  virtual absl::StatusOr<std::vector<RegionId>> ListOwned() const { return ListRegions(); }

  // Any thread, but never two of these for one region at once, nor while it is open. They take long,
  // may do their I/O in the calling thread, and call `done` in it or in another one.

  // Opens a region; `create` makes one that does not exist, otherwise that is NOT_FOUND.
  // DATA_LOSS (CORRUPTION) when it is damaged and the policy is kRefuse.
  virtual void OpenRegion(RegionId region, const OpenRequest& request,
                          std::function<void(absl::StatusOr<std::unique_ptr<RegionLog>>)> done) = 0;

  // Removes a closed region for good. The result is false if there was none.
  virtual void DropRegion(RegionId region, std::function<void(absl::StatusOr<bool>)> done) = 0;

  // Any thread. What a region that does not exist says of a table: what the first append to it is
  // given.
  virtual TablePosition PositionInAbsentRegion(TableId table) const = 0;

  // Any thread. INVALID_ARGUMENT (LIMIT_EXCEEDED) if a region made with these options could not hold
  // the batch. For a check before a region is made for it.
  virtual absl::Status CheckFitsNewRegion(const RegionOptions& options,
                                          const AppendBatch& batch) const = 0;

  // Any thread, about once a second. Begins housekeeping in the background that is due by now.
  virtual void KeepHouse() {}

  // Any thread, one at a time, now and then. Counts the bytes on disk again, for engines that do
  // not count as they go.
  virtual absl::Status CountDiskUsage() { return absl::OkStatus(); }

  // Verifies a region that is not open (a broken one too), as RegionLog::Verify does.
  virtual absl::Status VerifyClosedRegion(
      RegionId region, absl::FunctionRef<bool(const VerifyProgress&)> report) const = 0;
};

}  // namespace walden
