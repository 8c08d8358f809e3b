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
  // The prefix that a sync that begins now makes durable.
  FilePrefix written() const ABSL_LOCKS_EXCLUDED(mutex_);
  void Synced(const FilePrefix& durable) ABSL_LOCKS_EXCLUDED(mutex_);
  FilePrefix durable() const ABSL_LOCKS_EXCLUDED(mutex_);
  bool has_unsynced() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  mutable absl::Mutex mutex_;
  uint64_t length_ ABSL_GUARDED_BY(mutex_) = 0;
  uint32_t running_crc_ ABSL_GUARDED_BY(mutex_) = 0;
  bool begun_ ABSL_GUARDED_BY(mutex_) = false;
  FilePrefix durable_ ABSL_GUARDED_BY(mutex_);
};

class Ledger {
 public:
  // `companion` is written to a new companion file, in state kTaking or kOpen; its generation is
  // raised by one.
  static absl::StatusOr<std::unique_ptr<Ledger>> Begin(FileSystem* files, std::string directory,
                                                       Companion companion);

  // --- Around RocksDB's operations. Names are without the directory. ---

  // Before a file is created.
  absl::Status Creating(absl::string_view name) ABSL_LOCKS_EXCLUDED(mutex_);
  // After a log or manifest was created.
  std::shared_ptr<WatchedFile> Watch(const FileName& name) ABSL_LOCKS_EXCLUDED(mutex_);
  // After a sync of a manifest, before RocksDB is told.
  absl::Status ManifestSynced(uint64_t number, const FilePrefix& durable)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Before CURRENT is replaced by a file that names this manifest.
  absl::Status SettingCurrent(uint64_t manifest) ABSL_LOCKS_EXCLUDED(mutex_);
  void CurrentSet() ABSL_LOCKS_EXCLUDED(mutex_);
  // Before a file is removed.
  absl::Status Removing(absl::string_view name) ABSL_LOCKS_EXCLUDED(mutex_);
  // Around a sync of the directory: what begins with `BeforeDirectorySync` is durable afterwards.
  struct Unsynced {
    bool current = false;
    uint64_t logs_through = 0;
  };
  Unsynced BeforeDirectorySync() const ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status DirectorySynced(const Unsynced& before) ABSL_LOCKS_EXCLUDED(mutex_);

  // --- For Database ---

  // Notes where the logs end, as far as they are durable. Does nothing if the file says so already.
  absl::Status NoteLogEnds() ABSL_LOCKS_EXCLUDED(mutex_);
  // From now on everything the companion says must hold.
  absl::Status NoteOpen() ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether it was called: RocksDB is not opening any more.
  bool is_open() const ABSL_LOCKS_EXCLUDED(mutex_);
  // RocksDB was closed. Does nothing if some log is not durable through its end.
  absl::Status NoteClosed() ABSL_LOCKS_EXCLUDED(mutex_);

  bool HasUnsyncedLog() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Writes to logs that were begun so far: what was begun may be stored, however it ended.
  void LogWriting() { log_writes_.fetch_add(1, std::memory_order_acq_rel); }
  uint64_t log_writes() const { return log_writes_.load(std::memory_order_acquire); }
  // How far each log is durable, by name.
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
  bool current_set_ ABSL_GUARDED_BY(mutex_) = false;  // it does, but not durably yet
  bool is_open_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace walden::rocks
