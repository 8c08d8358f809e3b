#include "engine/rocksdb/database.h"

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/checksum.h"
#include "base/error.h"
#include "engine/rocksdb/file_names.h"
#include "engine/rocksdb/key_codec.h"
#include "engine/rocksdb/ledger_env.h"
#include "engine/rocksdb/rocksdb_errors.h"
#include "engine/rocksdb/wal_sequence_numbers.h"

namespace walden::rocks {
namespace {

// The first scan may meet the flush or compaction that asked for it before it let go of its files.
constexpr int kObsoleteFileScans = 2;

constexpr absl::string_view kRepairRemedy =
    "Bring the file back from a copy, or move the namespace's directory away to start empty";

// A logged byte takes at most about so many in a buffer: small records have overhead there.
constexpr uint64_t kMemoryPerLoggedByte = 4;

uint64_t RandomSalt() {
  std::random_device source;
  return uint64_t{source()} << 32 | source();
}

absl::Status Failed(absl::string_view directory, absl::string_view cause) {
  return MakeError(absl::StatusCode::kFailedPrecondition, ErrorReason::kRegionFailed,
                   absl::StrCat("regions in ", directory, " take no more writes since one failed: ",
                                cause, ". Close the region; it reopens at the next call"),
                   {{"cause", std::string(cause)}});
}

}  // namespace

class Database::Listener final : public rocksdb::EventListener {
 public:
  explicit Listener(Database* database) : database_(*database) {}

  // A log file whose writes are in tables is removed, and a power cut may undo that. It must come
  // back whole: a file that lacks its end, with younger ones that were synced, is taken for damage.
  void OnFlushBegin(rocksdb::DB*, const rocksdb::FlushJobInfo&) override {
    const uint64_t generation = database_.generation();
    const absl::Status synced = SyncWals(database_.env_.file_system, database_.env_.directory);
    if (!synced.ok()) database_.Fail(generation, synced).IgnoreError();  // the next write tells it
  }

  void OnFlushCompleted(rocksdb::DB*, const rocksdb::FlushJobInfo&) override {
    database_.obsolete_file_scans_.store(kObsoleteFileScans, std::memory_order_relaxed);
  }
  void OnCompactionCompleted(rocksdb::DB*, const rocksdb::CompactionJobInfo&) override {
    database_.obsolete_file_scans_.store(kObsoleteFileScans, std::memory_order_relaxed);
  }

  // No room for a table file, or for the manifest to name it: what was to be in it is still in
  // RocksDB's log, and every write so far either succeeded or says itself that it failed.
  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) override {
    using Reason = rocksdb::BackgroundErrorReason;
    const bool is_write = reason == Reason::kWriteCallback || reason == Reason::kMemTable;
    if (error->IsNoSpace() && !is_write) database_.FailForRoom(database_.generation());
  }

  // RocksDB must not bring itself back after an error: what a failed write left is judged when it
  // is opened again.
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
  return OpenLocked();
}

absl::Status Database::Reopen(uint64_t seen) {
  Interrupt();
  absl::MutexLock lock(&mutex_);
  interrupted_.store(false);
  if (db_ != nullptr && generation() == seen && Health(seen).ok()) return absl::OkStatus();
  if (db_ != nullptr && generation() != seen) return absl::OkStatus();  // somebody did
  CloseRocks();
  const bool was_full = absl::IsResourceExhausted(Health(generation()));
  const absl::Status status = OpenLocked();
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
  // Without this note the next opening is one after a crash, and finds the same.
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

CheckedPlace Database::DirectoryPlace() const {
  return {.files = env_.file_system,
          .directory = env_.directory,
          .shown_directory = env_.shown_directory,
          .namespace_id = env_.namespace_id,
          .namespace_name = env_.namespace_name};
}

absl::StatusOr<Database::Findings> Database::Look() const {
  const CheckedPlace place = DirectoryPlace();
  auto checked = CheckDirectory(place);
  if (!checked.ok()) return checked.status();
  WalSequenceNumbers numbers(env_.namespace_id, std::nullopt);
  auto scan = ScanWals(env_.file_system, env_.directory, checked->logs,
                       [&](const WalRecord& record) { return numbers.Take(record); });
  if (!scan.ok()) return scan.status();
  if (!scan->damage.empty()) {
    const WalPlace& damaged = scan->damage.front();
    return DamageError({.file = absl::StrCat(env_.shown_directory, "/", damaged.file),
                        .offset = damaged.offset,
                        .length = damaged.length,
                        .first = numbers.first(),
                        .last = numbers.last(),
                        .reason = damaged.reason},
                       kRepairRemedy);
  }
  absl::Status status;
  if (checked->companion && checked->companion->state != Companion::State::kTaking) {
    status = CheckLogBytes(place, *checked->companion);
  } else if (!checked->companion && !checked->is_new) {
    status = CheckWithoutCompanion(place, env_.env);
  }
  if (!status.ok()) return status;
  return Findings{*std::move(checked), *std::move(scan)};
}

absl::Status Database::Repair(const Findings& found, OpeningReport& report) {
  FileSystem* const files = env_.file_system;
  for (const std::string& name : found.directory.logs.leftovers) {
    const absl::Status removed = files->RemoveFile(absl::StrCat(env_.directory, "/", name));
    if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
  }
  if (found.directory.manifest_end) {
    const auto cut =
        CutFile(files, env_.directory, found.directory.manifest, *found.directory.manifest_end);
    if (!cut.ok()) return cut.status();
  }
  const absl::Status trimmed = TrimZeros(files, env_.directory, found.scan);
  if (!trimmed.ok()) return trimmed;
  if (!found.scan.torn) return absl::OkStatus();
  const auto cut = CutTornTail(files, env_.directory, found.scan);
  if (!cut.ok()) return cut.status();
  if (cut->bytes == 0) return absl::OkStatus();
  report.outcome = OpeningReport::Outcome::kTornTail;
  report.torn_tail_bytes = cut->bytes;
  if (!cut->evidence_file.empty()) {
    report.evidence_file = absl::StrCat(env_.shown_directory, "/", cut->evidence_file);
  }
  return absl::OkStatus();
}

absl::Status Database::BeginLedger(const Findings& found) {
  const auto names = env_.file_system->ListDirectory(env_.directory);
  if (!names.ok()) return names.status();
  Companion companion = found.directory.companion.value_or(Companion{});
  if (!found.directory.companion) companion.salt = RandomSalt();
  companion.namespace_id = env_.namespace_id;
  companion.namespace_name = env_.namespace_name;
  if (companion.state == Companion::State::kClosed) companion.state = Companion::State::kOpen;
  companion.manifest = found.directory.durable_manifest;
  companion.next = {};
  // All of the logs is durable by now, and some may stay while later ones are written: where the
  // disk has no room for tables.
  companion.logs.clear();
  companion.numbers_through = 0;
  for (const std::string& name : *names) {
    const FileName file = ParseFileName(name);
    companion.numbers_through = std::max(companion.numbers_through, file.number);
    if (file.kind != FileKind::kLog) continue;
    CompanionLog log{.number = file.number};
    const auto bytes = ReadWholeFile(env_.file_system, absl::StrCat(env_.directory, "/", name));
    if (!bytes.ok()) return bytes.status();
    if (!bytes->empty()) log.durable = {bytes->size(), Crc32c(*bytes)};
    companion.logs.push_back(log);
  }
  std::sort(companion.logs.begin(), companion.logs.end(),
            [](const CompanionLog& a, const CompanionLog& b) { return a.number < b.number; });
  // What CURRENT says now is durable before the companion file relies on it.
  const absl::Status synced = env_.file_system->SyncDirectory(env_.directory);
  if (!synced.ok()) return synced;
  auto ledger = Ledger::Begin(env_.file_system, env_.directory, std::move(companion));
  if (!ledger.ok()) return ledger.status();
  ledger_ = *std::move(ledger);
  ledger_env_ = MakeLedgerEnv(env_.env, env_.directory, ledger_.get());
  return absl::OkStatus();
}

absl::Status Database::OpenRocks(const Findings& found) {
  rocksdb::Options options = MakeOptions(env_.tuning, ledger_env_.get(), listener_);
  options.create_if_missing = found.directory.is_new;
  options.compaction_filter_factory = env_.filter;
  rocksdb::DB* opened = nullptr;
  rocksdb::Status status = rocksdb::DB::Open(options, env_.directory, &opened);
  if (status.IsNoSpace()) {
    // Without room for new table files what was logged can stay in the log: all in one buffer, for
    // RocksDB writes a full one out even then.
    reserve_.Spend();
    options.avoid_flush_during_recovery = true;
    options.write_buffer_size =
        std::max<uint64_t>(options.write_buffer_size, kMemoryPerLoggedByte * found.scan.bytes);
    status = rocksdb::DB::Open(options, env_.directory, &opened);
  }
  if (!status.ok()) return FromRocks(status, "opening RocksDB", env_.shown_directory);
  db_.reset(opened);
  return absl::OkStatus();
}

absl::Status Database::Pair() {
  std::string value;
  const Entry entry = CompanionEntry(ledger_->salt());
  rocksdb::Status status = db_->Get({}, entry.key, &value);
  if (status.IsNotFound() || (status.ok() && value != entry.value)) {
    rocksdb::WriteOptions options;
    options.sync = true;
    status = db_->Put(options, entry.key, entry.value);
  }
  if (!status.ok()) return FromRocks(status, "writing", env_.shown_directory);
  return ledger_->NoteOpen();
}

absl::Status Database::OpenLocked() {
  const absl::Duration start = env_.clock->Now();
  OpeningReport report;
  absl::StatusOr<Findings> found = Look();
  closed_ = found.status();
  if (!closed_.ok()) return closed_;
  const auto prepare = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto rewritten = RewriteTails(env_.file_system, env_.directory, found->directory.logs);
    if (!rewritten.ok()) return rewritten.status();
    // What is judged is what is durable.
    if (*rewritten) found = Look();
    absl::Status status = found.status();
    if (status.ok()) status = Repair(*found, report);
    return status.ok() ? BeginLedger(*found) : status;
  };
  closed_ = prepare();
  if (HasReason(closed_, ErrorReason::kDiskFull)) {
    // A log file is made anew without its end, and the companion file always is.
    reserve_.Spend();
    closed_ = prepare();
  }
  if (closed_.ok()) report.bytes_scanned = found->scan.bytes;
  if (closed_.ok()) closed_ = OpenRocks(*found);
  if (closed_.ok()) closed_ = Pair();
  if (!closed_.ok()) {
    CloseRocks();
    return closed_;
  }
  durable_.store(db_->GetLatestSequenceNumber(), std::memory_order_relaxed);
  noted_.store(durable_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  report.duration_micros =
      static_cast<uint64_t>(absl::ToInt64Microseconds(env_.clock->Now() - start));
  {
    absl::MutexLock lock(&state_mutex_);
    failure_ = absl::OkStatus();
    opening_ = std::move(report);
  }
  generation_.fetch_add(1, std::memory_order_acq_rel);
  reserve_.Make();
  return absl::OkStatus();
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
    // To enable deletions scans the directory, whoever disabled them. What fails here is tried
    // again after the next flush or compaction.
    if (db.DisableFileDeletions().ok()) db.EnableFileDeletions(/*force=*/false);
  });
  if (is_open) obsolete_file_scans_.fetch_sub(1, std::memory_order_relaxed);
}

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
  // Somebody opened the namespace again meanwhile; of this write no more is known by that.
  if (generation != this->generation()) return Failed(env_.shown_directory, cause.message());
  // It outweighs a full disk that only table files met.
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
    // Another write may come between: then more is durable than this says.
    const uint64_t before = db.GetLatestSequenceNumber();
    const uint64_t log_writes = ledger_->log_writes();
    const rocksdb::Status status = db.Write(options, &batch);
    if (status.ok() && sync) RaiseDurable(before + entries);
    was_refused = status.IsNoSpace() && ledger_->log_writes() == log_writes;
    return FromRocks(status, "writing", env_.shown_directory);
  });
  if (written.ok() && sync) env_.observer->OnSynced(env_.clock->Now() - began);
  if (was_refused) {
    // RocksDB found no room for a table file in the background meanwhile, which the listener heard
    // first, and does not begin to write after that: nothing went to the log, and nothing is
    // stored. (It may find none for the manifest after it wrote to the log.)
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
  // Not by SyncWAL, which aborts the process if another thread's write to the log fails meanwhile.
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
