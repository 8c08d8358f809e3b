// Tracks RocksDB's files while a namespace is open. Keeps the companion file (FORMAT.md) up to
// date, which says which files must exist and how far they are durable. Any thread.
//
// LedgerFileSystem (ledger_env.h) calls the ledger around each of RocksDB's file operations. If the
// call returns an error the operation fails, so RocksDB never relies on a file that the companion
// file does not name.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "engine/io/file_system.h"
#include "engine/rocksdb/companion/companion.h"
#include "engine/rocksdb/companion/companion_file.h"
#include "engine/rocksdb/companion/file_names.h"

namespace walden::rocks {

// The bytes of one log or manifest while RocksDB writes it. Any thread.
class WatchedFile {
 public:
  void Appended(absl::string_view bytes) ABSL_LOCKS_EXCLUDED(mutex_);
  // The prefix that a sync beginning now makes durable.
  FilePrefix written() const ABSL_LOCKS_EXCLUDED(mutex_);
  void Synced(const FilePrefix& durable) ABSL_LOCKS_EXCLUDED(mutex_);
  FilePrefix durable() const ABSL_LOCKS_EXCLUDED(mutex_);
  bool has_unsynced() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Runs a sync of the file, one at a time. After one failed, all fail: the kernel may have forgotten
  // that the bytes which the failed one should have written are not on the disk.
  absl::Status RunSync(absl::FunctionRef<absl::Status()> sync) ABSL_LOCKS_EXCLUDED(sync_mutex_);

 private:
  absl::Mutex sync_mutex_;  // held while a sync runs
  absl::Status sync_failure_ ABSL_GUARDED_BY(sync_mutex_);
  mutable absl::Mutex mutex_;
  uint64_t length_ ABSL_GUARDED_BY(mutex_) = 0;
  uint32_t running_crc_ ABSL_GUARDED_BY(mutex_) = 0;
  bool begun_ ABSL_GUARDED_BY(mutex_) = false;
  FilePrefix durable_ ABSL_GUARDED_BY(mutex_);
};

class Ledger {
 public:
  // Writes `companion`, in state kTaking or kOpen, to a new companion file, with a generation one
  // higher.
  static absl::StatusOr<std::unique_ptr<Ledger>> Begin(FileSystem* files, std::string directory,
                                                       Companion companion);

  // --- Around RocksDB's operations. Names are without the directory. ---

  // Call it before a file is created.
  absl::Status Creating(absl::string_view name) ABSL_LOCKS_EXCLUDED(mutex_);
  // Call it after a log or manifest was created.
  std::shared_ptr<WatchedFile> Watch(const FileName& name) ABSL_LOCKS_EXCLUDED(mutex_);
  // Call it after a sync of a manifest, before RocksDB gets the result.
  absl::Status ManifestSynced(uint64_t number, const FilePrefix& durable)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Call it before CURRENT is replaced by a file that names this manifest.
  absl::Status SettingCurrent(uint64_t manifest) ABSL_LOCKS_EXCLUDED(mutex_);
  void CurrentSet() ABSL_LOCKS_EXCLUDED(mutex_);
  // Call it before a file is removed.
  absl::Status Removing(absl::string_view name) ABSL_LOCKS_EXCLUDED(mutex_);
  // Call these around a sync of the directory: the changes that BeforeDirectorySync returned are
  // durable after it.
  struct Unsynced {
    bool current = false;
    uint64_t logs_through = 0;
  };
  Unsynced BeforeDirectorySync() const ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status DirectorySynced(const Unsynced& before) ABSL_LOCKS_EXCLUDED(mutex_);

  // --- For Database ---

  // Notes the durable ends of the logs. Does nothing if the companion file has them already.
  absl::Status NoteLogEnds() ABSL_LOCKS_EXCLUDED(mutex_);
  // Sets the state kOpen: from now on everything that the companion file names must be there.
  absl::Status NoteOpen() ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether NoteOpen was called, so that RocksDB is open.
  bool is_open() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Sets the state kClosed after RocksDB was closed. Does nothing if some log is not durable
  // through its end.
  absl::Status NoteClosed() ABSL_LOCKS_EXCLUDED(mutex_);

  // Syncs the logs beside RocksDB. After an error RocksDB's own syncs of that log fail too.
  absl::Status SyncLogs() ABSL_LOCKS_EXCLUDED(mutex_);

  bool HasUnsyncedLog() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Counts the writes to logs that were begun. A write that was begun may be stored even if it
  // failed.
  void LogWriting() { log_writes_.fetch_add(1, std::memory_order_acq_rel); }
  uint64_t log_writes() const { return log_writes_.load(std::memory_order_acquire); }
  // The durable length of each log, by name.
  std::map<std::string, uint64_t> LogEnds() const ABSL_LOCKS_EXCLUDED(mutex_);
  uint64_t salt() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  Ledger(FileSystem* files, std::string directory, Companion companion,
         std::unique_ptr<CompanionFile> file);

  absl::Status Write(Companion next) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The companion with the logs' ends as they are now.
  Companion Now() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  FileSystem* const files_;
  const std::string directory_;

  std::atomic<uint64_t> log_writes_{0};
  mutable absl::Mutex mutex_;  // also held while the companion file is written
  const std::unique_ptr<CompanionFile> file_ ABSL_PT_GUARDED_BY(mutex_);
  Companion companion_ ABSL_GUARDED_BY(mutex_);  // as written
  uint64_t highest_number_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<uint64_t, std::shared_ptr<WatchedFile>> logs_ ABSL_GUARDED_BY(mutex_);
  std::set<uint64_t> named_
      ABSL_GUARDED_BY(mutex_);  // logs of this opening whose names are durable
  bool current_set_ ABSL_GUARDED_BY(mutex_) = false;  // CURRENT was replaced, not yet durably
  bool is_open_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace walden::rocks
