// Owns the RocksDB of one namespace: opens it, writes to it and opens it again after an error. The
// namespace's regions and readers share it.
//
// After a write or sync failed, a RocksDB takes no writes until it is opened again. Each opening is
// a generation. A region belongs to the generation in which it was opened. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "engine/io/disk_quota.h"
#include "engine/io/file_system.h"
#include "engine/log_engine.h"
#include "engine/observer.h"
#include "engine/rocksdb/companion/ledger.h"
#include "engine/rocksdb/directory/directory_check.h"
#include "engine/rocksdb/options/disk_reserve.h"
#include "engine/rocksdb/options/options.h"
#include "engine/rocksdb/wal/wal_repair.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/listener.h"
#include "rocksdb/write_batch.h"

namespace walden::rocks {

class Database {
 public:
  struct Environment {
    FileSystem* file_system = nullptr;
    rocksdb::Env* env = nullptr;  // null: RocksDB's own
    Clock* clock = nullptr;
    const WallClock* wall_clock = WallClock::Real();
    EngineObserver* observer = EngineObserver::Nobody();
    std::string directory;
    std::string shown_directory;  // in messages and reports
    std::string namespace_name;
    NamespaceId namespace_id = 1;
    DiskQuota* quota = nullptr;                                // may be null
    std::shared_ptr<rocksdb::CompactionFilterFactory> filter;  // may be null
    RocksdbTuning tuning;
  };

  // The directory exists and is locked. Nothing is opened before Open().
  explicit Database(Environment environment);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  const Environment& environment() const { return env_; }
  const std::string& shown_directory() const { return env_.shown_directory; }

  // --- Opening ---

  // Judges what a crash left, cuts a torn tail, opens RocksDB. DATA_LOSS when something is damaged,
  // RESOURCE_EXHAUSTED, UNAVAILABLE; every later call then answers that, until Open() succeeds.
  absl::Status Open() ABSL_LOCKS_EXCLUDED(mutex_);

  // Opens RocksDB again if the generation is still `seen` and takes no writes, or if RocksDB is not
  // open.
  absl::Status Reopen(uint64_t seen) ABSL_LOCKS_EXCLUDED(mutex_);

  // Closes RocksDB. Readers that are left get UNAVAILABLE. If all of the log is durable, the
  // companion file records that nothing follows. Otherwise the next opening is as after a crash.
  void Shut() ABSL_LOCKS_EXCLUDED(mutex_);

  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

  // The report of the last opening. It lacks the number of keys read, which the engine adds.
  OpeningReport opening() const ABSL_LOCKS_EXCLUDED(state_mutex_);

  // The latest time, in microseconds of Unix time, at which a file of RocksDB's was written, as this
  // process's openings found them before they changed any; 0 if there was none. Records that were
  // stored then were appended by then, on the clock that set this time.
  int64_t last_written_unix_micros() const {
    return last_written_unix_micros_.load(std::memory_order_relaxed);
  }

  // --- Using ---

  // Runs `use` while RocksDB stays open. It must not call Open, Reopen or Shut.
  absl::Status With(absl::FunctionRef<absl::Status(rocksdb::DB&)> use) const
      ABSL_LOCKS_EXCLUDED(mutex_);

  // As With, but never waits for an opening. Returns false without a call of `use` if RocksDB is
  // not open.
  bool TryWith(absl::FunctionRef<void(rocksdb::DB&)> use) const;

  // OK, or why this generation takes no writes. REGION_FAILED: a write or sync failed, and its
  // outcome is unknown. DISK_FULL: RocksDB found no room for a table file, but every write
  // succeeded, and the regions go on in the generation that Reopen begins.
  absl::Status Health(uint64_t generation) const ABSL_LOCKS_EXCLUDED(state_mutex_);

  // Returns an empty batch that begins with a note of what is durable. Every write starts as one.
  rocksdb::WriteBatch NewBatch() const;

  // Writes the batch atomically; `sync` makes it and everything before it durable. Concurrent
  // writes share their sync. DISK_FULL if the batch was not stored because RocksDB had no room for
  // a table file. Any other error ends the generation: REGION_FAILED, since the batch may be stored
  // or not.
  absl::Status Write(uint64_t generation, rocksdb::WriteBatch& batch, bool sync)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Ends the generation after a write of which parts may be stored. Returns REGION_FAILED, which
  // all its writes answer from now on.
  absl::Status Fail(uint64_t generation, const absl::Status& cause)
      ABSL_LOCKS_EXCLUDED(state_mutex_);

  // Makes everything written so far durable.
  absl::Status Sync(uint64_t generation) ABSL_LOCKS_EXCLUDED(mutex_);

  // Makes everything written so far durable, and notes in the companion file where the log ends:
  // nothing up to there can pass for a torn tail.
  absl::Status NoteAllDurable(uint64_t generation) ABSL_LOCKS_EXCLUDED(mutex_);

  // Notes in the companion file how far the log is durable now. Does not sync the log.
  absl::Status NoteDurable(uint64_t generation) ABSL_LOCKS_EXCLUDED(mutex_);

  // Whether more is durable than was noted.
  bool HasUnnoted() const {
    return noted_.load(std::memory_order_relaxed) != durable_.load(std::memory_order_relaxed);
  }

  // The durable end of each write-ahead log file, by the companion file. For a check of the files
  // while they are in use.
  KnownLogs DurableLogs() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Removes files that RocksDB no longer needs and did not remove itself, such as files that a
  // reader held until the end of the last flush or compaction. Call it from time to time.
  void RemoveObsoleteFiles();

  // Set while another thread waits to open or close RocksDB: long work under With then ends soon.
  std::atomic<bool>* interrupted() { return &interrupted_; }
  void Interrupt() { interrupted_.store(true); }

  // DISK_FULL if there is no room for `bytes` more in the log.
  absl::Status CheckRoom(uint64_t bytes) const;

  // QUOTA_EXCEEDED if the namespace may hold no more.
  absl::Status CheckQuota() const {
    return env_.quota == nullptr ? absl::OkStatus() : env_.quota->CheckLeft();
  }

  // Gives up the reserve, so that small writes fit a full disk.
  void SpendReserve() { reserve_.Spend(); }
  // Makes the reserve again if there is room. Once there is, RocksDB compacts by itself again.
  void RestoreReserve() ABSL_LOCKS_EXCLUDED(mutex_);
  // RestoreReserve, if it leaves room for the writes that are under way.
  void EndShortage() ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether RocksDB was opened without compactions of its own, since the disk was full.
  bool is_short() const { return is_short_.load(std::memory_order_relaxed); }

 private:
  class Listener;

  // The state of the directory before an opening changes anything.
  struct Findings {
    CheckedDirectory directory;
    WalScan scan;
  };

  // Called by RocksDB's threads, which end before the ledger does.
  absl::Status SyncLogsForFlush() ABSL_NO_THREAD_SAFETY_ANALYSIS;
  // `was_full`: RocksDB had no room for a table file before.
  absl::Status OpenLocked(bool was_full) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<Findings> Look() const;
  absl::StatusOr<absl::Time> NewestWrite() const;
  // Cuts off the remains of writes that a crash cut.
  absl::Status Repair(const Findings& found, OpeningReport& report);
  // Removes the logs that are not needed any more.
  absl::Status RemoveLeftovers(const Findings& found);
  absl::Status BeginLedger(const Findings& found) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status OpenRocks(const Findings& found) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Puts a key of append times for each table with records: all were appended by now, or by the last
  // write to a file if the clock is behind it.
  absl::Status BoundTimes(rocksdb::WriteBatch& batch) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // Makes database and companion file name each other. Records of another program get a bound.
  absl::Status Pair() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CloseRocks() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  CheckedPlace DirectoryPlace() const;
  // Ends the generation after RocksDB failed to write a table file for lack of room.
  void FailForRoom(uint64_t generation) ABSL_LOCKS_EXCLUDED(state_mutex_);
  void RaiseDurable(uint64_t number);

  const Environment env_;
  DiskReserve reserve_;
  const std::shared_ptr<rocksdb::EventListener> listener_;

  // Held shared while RocksDB is used, exclusively while it is opened or closed.
  mutable absl::Mutex mutex_;
  std::unique_ptr<Ledger> ledger_ ABSL_GUARDED_BY(mutex_);  // of this opening
  std::unique_ptr<rocksdb::Env> ledger_env_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<rocksdb::DB> db_ ABSL_GUARDED_BY(mutex_);
  absl::Status closed_ ABSL_GUARDED_BY(mutex_);  // why db_ is null

  std::atomic<bool> interrupted_{false};
  std::atomic<int> obsolete_file_scans_{0};  // still to be done for the last flush or compaction
  std::atomic<bool> is_short_{false};
  std::atomic<int64_t> last_written_unix_micros_{0};
  std::atomic<uint64_t> generation_{0};
  std::atomic<uint64_t> durable_{0};  // RocksDB's number through which all is durable
  std::atomic<uint64_t> noted_{0};    // the same, as of the last note in the companion file

  mutable absl::Mutex state_mutex_;
  absl::Status failure_ ABSL_GUARDED_BY(state_mutex_);
  // Generations from this one on ended only for lack of room: their regions go on in the current
  // one.
  uint64_t resumable_from_ ABSL_GUARDED_BY(state_mutex_) = 0;
  OpeningReport opening_ ABSL_GUARDED_BY(state_mutex_);
};

}  // namespace walden::rocks
