#include "engine/rocksdb/database.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/rocksdb/keys/key_codec.h"
#include "engine/rocksdb/options/rocksdb_errors.h"

namespace walden::rocks {
namespace {

// The flush or compaction that asks for a scan may still hold files during the first one.
constexpr int kObsoleteFileScans = 2;

absl::Status Failed(absl::string_view directory, absl::string_view cause) {
  return MakeError(
      absl::StatusCode::kFailedPrecondition, ErrorReason::kRegionFailed,
      absl::StrCat("regions in ", directory, " take no more writes since a write failed: ", cause,
                   ". Close the region; it reopens at the next call"),
      {{"cause", std::string(cause)}});
}

}  // namespace

class Database::Listener final : public rocksdb::EventListener {
 public:
  explicit Listener(Database* database) : database_(*database) {}

  // Syncs the logs before a flush. After it RocksDB removes log files, and a power cut may undo the
  // removal. A file that comes back must be whole: one that lacks its end, with younger files that
  // were synced, is taken for damage.
  void OnFlushBegin(rocksdb::DB*, const rocksdb::FlushJobInfo&) override {
    const uint64_t generation = database_.generation();
    const absl::Status synced = database_.SyncLogsForFlush();
    if (!synced.ok())
      database_.Fail(generation, synced).IgnoreError();  // the next write reports it
  }

  void OnFlushCompleted(rocksdb::DB*, const rocksdb::FlushJobInfo&) override {
    database_.obsolete_file_scans_.store(kObsoleteFileScans, std::memory_order_relaxed);
  }
  void OnCompactionCompleted(rocksdb::DB*, const rocksdb::CompactionJobInfo&) override {
    database_.obsolete_file_scans_.store(kObsoleteFileScans, std::memory_order_relaxed);
  }

  // A full disk kept a table file from being written or named by the manifest. Its records are
  // still in RocksDB's log, and every write so far has its own result.
  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) override {
    using Reason = rocksdb::BackgroundErrorReason;
    const bool is_write = reason == Reason::kWriteCallback || reason == Reason::kMemTable;
    if (error->IsNoSpace() && !is_write) database_.FailForRoom(database_.generation());
  }

  // RocksDB must not recover from an error by itself: the next opening judges what a failed write
  // left.
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status,
                            bool* auto_recovery) override {
    *auto_recovery = false;
  }

 private:
  Database& database_;
};

Database::Database(Environment environment)
    : env_(std::move(environment)),
      reserve_(env_.file_system, absl::StrCat(env_.directory, "/", kReserveFile),
               env_.tuning.reserve_bytes),
      listener_(std::make_shared<Listener>(this)),
      closed_(MakeError(absl::StatusCode::kUnavailable, ErrorReason::kShuttingDown,
                        absl::StrCat(env_.shown_directory, " is not open"))) {}

Database::~Database() { Shut(); }

absl::Status Database::Open() {
  absl::MutexLock lock(&mutex_);
  return OpenLocked(/*was_full=*/false);
}

absl::Status Database::Reopen(uint64_t seen) {
  Interrupt();
  absl::MutexLock lock(&mutex_);
  interrupted_.store(false);
  if (db_ != nullptr && generation() == seen && Health(seen).ok()) return absl::OkStatus();
  if (db_ != nullptr && generation() != seen) return absl::OkStatus();  // another thread opened it
  CloseRocks();
  const bool was_full = absl::IsResourceExhausted(Health(generation()));
  const absl::Status status = OpenLocked(was_full);
  if (status.ok() && !was_full) {
    absl::MutexLock state_lock(&state_mutex_);
    resumable_from_ = generation();
  }
  return status;
}

void Database::Shut() {
  Interrupt();
  absl::MutexLock lock(&mutex_);
  const bool is_healthy = db_ != nullptr && Health(generation()).ok();
  db_.reset();
  // Without this note the next opening is as after a crash, and loses nothing.
  if (is_healthy) ledger_->NoteClosed().IgnoreError();
  CloseRocks();
  closed_ = MakeError(absl::StatusCode::kUnavailable, ErrorReason::kShuttingDown,
                      absl::StrCat(env_.shown_directory, " was closed"));
}

void Database::CloseRocks() {
  db_.reset();
  ledger_env_.reset();
  ledger_.reset();
}

OpeningReport Database::opening() const {
  absl::MutexLock lock(&state_mutex_);
  return opening_;
}

absl::Status Database::With(absl::FunctionRef<absl::Status(rocksdb::DB&)> use) const {
  absl::ReaderMutexLock lock(&mutex_);
  return db_ == nullptr ? closed_ : use(*db_);
}

bool Database::TryWith(absl::FunctionRef<void(rocksdb::DB&)> use) const {
  if (!mutex_.ReaderTryLock()) return false;
  const bool is_open = db_ != nullptr;
  if (is_open) use(*db_);
  mutex_.ReaderUnlock();
  return is_open;
}

void Database::RemoveObsoleteFiles() {
  if (obsolete_file_scans_.load(std::memory_order_relaxed) <= 0) return;
  const bool is_open = TryWith([](rocksdb::DB& db) {
    // EnableFileDeletions scans the directory for obsolete files. A failure is harmless: the next
    // flush or compaction asks for a scan again.
    if (db.DisableFileDeletions().ok()) db.EnableFileDeletions(/*force=*/false);
  });
  if (is_open) obsolete_file_scans_.fetch_sub(1, std::memory_order_relaxed);
}

absl::Status Database::SyncLogsForFlush() { return ledger_->SyncLogs(); }

absl::Status Database::Health(uint64_t generation) const {
  absl::MutexLock lock(&state_mutex_);
  if (generation == this->generation()) return failure_;
  if (generation < resumable_from_) {
    return Failed(env_.shown_directory, "the namespace was opened again after a failed write");
  }
  return MakeError(absl::StatusCode::kResourceExhausted, ErrorReason::kDiskFull,
                   absl::StrCat(env_.shown_directory,
                                " was opened again after the disk was full: the next append goes "
                                "on"),
                   {{"directory", env_.shown_directory}});
}

absl::Status Database::Fail(uint64_t generation, const absl::Status& cause) {
  absl::MutexLock lock(&state_mutex_);
  // Another thread opened the namespace again. Whether this write is stored is still unknown.
  if (generation != this->generation()) return Failed(env_.shown_directory, cause.message());
  // A failed write outweighs a full disk that only table files met.
  if (failure_.ok() || absl::IsResourceExhausted(failure_)) {
    failure_ = Failed(env_.shown_directory, cause.message());
  }
  return failure_;
}

void Database::FailForRoom(uint64_t generation) {
  absl::MutexLock lock(&state_mutex_);
  if (generation != this->generation() || !failure_.ok()) return;
  failure_ = MakeError(absl::StatusCode::kResourceExhausted, ErrorReason::kDiskFull,
                       absl::StrCat("the disk of ", env_.shown_directory,
                                    " has no room for RocksDB's table files: free some, or mark "
                                    "records deleted. Appends go on by themselves"),
                       {{"directory", env_.shown_directory}});
}

void Database::RaiseDurable(uint64_t number) {
  uint64_t known = durable_.load(std::memory_order_relaxed);
  while (known < number && !durable_.compare_exchange_weak(known, number)) {
  }
}

rocksdb::WriteBatch Database::NewBatch() const {
  rocksdb::WriteBatch batch;
  batch.PutLogData(EncodeNote(durable_.load(std::memory_order_relaxed)));
  return batch;
}

absl::Status Database::Write(uint64_t generation, rocksdb::WriteBatch& batch, bool sync) {
  absl::Status healthy = Health(generation);
  if (!healthy.ok()) return healthy;
  const uint32_t entries = static_cast<uint32_t>(batch.Count());
  const absl::Duration began = env_.clock->Now();
  bool was_refused = false;
  absl::Status written = With([&](rocksdb::DB& db) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    rocksdb::WriteOptions options;
    options.sync = sync;
    // If another write comes in between, more is durable than `before` says.
    const uint64_t before = db.GetLatestSequenceNumber();
    const uint64_t log_writes = ledger_->log_writes();
    const rocksdb::Status status = db.Write(options, &batch);
    if (status.ok() && sync) RaiseDurable(before + entries);
    was_refused = status.IsNoSpace() && ledger_->log_writes() == log_writes;
    return FromRocks(status, "writing", env_.shown_directory);
  });
  if (written.ok() && sync) env_.observer->OnSynced(env_.clock->Now() - began);
  if (was_refused) {
    // A RocksDB thread found no room for a table file. The listener heard of it, and RocksDB then
    // refuses writes before it writes to the log: nothing is stored. (log_writes() tells this from
    // a lack of room for the manifest after a write to the log.)
    const absl::Status room = Health(generation);
    if (absl::IsResourceExhausted(room)) return room;
  }
  return written.ok() ? written : Fail(generation, written);
}

absl::Status Database::Sync(uint64_t generation) {
  absl::Status status = Health(generation);
  if (!status.ok()) return status;
  bool has_unsynced = false;
  status = With([&](rocksdb::DB&) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    has_unsynced = ledger_->HasUnsyncedLog();
    return absl::OkStatus();
  });
  if (!status.ok() || !has_unsynced) return status;
  // SyncWAL is not used: it aborts the process if another thread's write to the log fails at the
  // same time.
  rocksdb::WriteBatch nothing = NewBatch();
  return Write(generation, nothing, /*sync=*/true);
}

absl::Status Database::NoteAllDurable(uint64_t generation) {
  const absl::Status status = Sync(generation);
  return status.ok() ? NoteDurable(generation) : status;
}

absl::Status Database::NoteDurable(uint64_t generation) {
  absl::Status status = Health(generation);
  if (!status.ok()) return status;
  const uint64_t durable = durable_.load(std::memory_order_relaxed);
  status =
      With([&](rocksdb::DB&) ABSL_NO_THREAD_SAFETY_ANALYSIS { return ledger_->NoteLogEnds(); });
  if (absl::IsResourceExhausted(status)) {
    FailForRoom(generation);  // every write before it succeeded
    return status;
  }
  if (!status.ok()) return Fail(generation, status);
  noted_.store(durable, std::memory_order_relaxed);
  return status;
}

KnownLogs Database::DurableLogs() const {
  KnownLogs known;
  absl::ReaderMutexLock lock(&mutex_);
  if (ledger_ != nullptr) known.durable_ends = ledger_->LogEnds();
  return known;
}

void Database::RestoreReserve() {
  reserve_.Make();
  if (!is_short() || !CheckRoom(0).ok()) return;
  TryWith([this](rocksdb::DB& db) {
    // A failure leaves it for the next call.
    if (db.EnableAutoCompaction({db.DefaultColumnFamily()}).ok()) is_short_.store(false);
  });
}

void Database::EndShortage() {
  if (CheckRoom(env_.tuning.reserve_bytes).ok()) RestoreReserve();
}

absl::Status Database::CheckRoom(uint64_t bytes) const {
  const absl::StatusOr<uint64_t> free = env_.file_system->FreeBytes(env_.directory);
  if (!free.ok()) return free.status();
  const uint64_t needed = bytes + env_.tuning.write_buffer_bytes;
  if (*free >= needed) return absl::OkStatus();
  return MakeError(absl::StatusCode::kResourceExhausted, ErrorReason::kDiskFull,
                   absl::StrCat("the disk of ", env_.shown_directory, " has ", *free,
                                " bytes left, and ", needed, " are needed (", bytes,
                                " for the append, ", env_.tuning.write_buffer_bytes,
                                " to write out a buffer): free some, or mark records deleted"),
                   {{"file", env_.shown_directory},
                    {"value", absl::StrCat(*free)},
                    {"limit", absl::StrCat(needed)}});
}

}  // namespace walden::rocks
