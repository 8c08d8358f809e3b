#include "engine/rocksdb/store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/error.h"
#include "engine/rocksdb/keys.h"
#include "engine/rocksdb/logged_numbers.h"
#include "engine/rocksdb/status.h"
#include "engine/rocksdb/wal_repair.h"

namespace walden::rocks {
namespace {

constexpr absl::string_view kReserveFile = "walden_reserve";
constexpr absl::string_view kRepairRemedy =
    "Bring the file back from a copy, or move the namespace's directory away to start empty";

// A logged byte takes at most about so many in a buffer: small records have overhead there.
constexpr uint64_t kMemoryPerLoggedByte = 4;

absl::Status Failed(absl::string_view directory, absl::string_view cause) {
  return MakeError(absl::StatusCode::kUnavailable, ErrorReason::kRegionFailed,
                   absl::StrCat("regions in ", directory, " take no more writes since one failed: ",
                                cause, ". Close the region; it reopens at the next call"),
                   {{"cause", std::string(cause)}});
}

}  // namespace

class Store::Listener final : public rocksdb::EventListener {
 public:
  explicit Listener(Store* store) : store_(*store) {}

  // A log file whose writes are in tables is removed, and a power cut may undo that. It must come
  // back whole: a file that lacks its end, with younger ones that were synced, is taken for damage.
  // (RocksDB's SyncWAL aborts the process when a write to the log has just failed.)
  void OnFlushBegin(rocksdb::DB*, const rocksdb::FlushJobInfo&) override {
    const uint64_t generation = store_.generation();
    const absl::Status synced = SyncWals(store_.env_.file_system, store_.env_.directory);
    if (!synced.ok()) store_.Fail(generation, synced).IgnoreError();  // the next write tells it
  }

  // RocksDB must not bring itself back after an error: what a failed write left is judged when it
  // is opened again.
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status,
                            bool* auto_recovery) override {
    *auto_recovery = false;
  }

 private:
  Store& store_;
};

Store::Store(Environment environment)
    : env_(std::move(environment)),
      reserve_(env_.file_system, absl::StrCat(env_.directory, "/", kReserveFile),
               env_.tuning.reserve_bytes),
      listener_(std::make_shared<Listener>(this)),
      closed_(MakeError(absl::StatusCode::kUnavailable, ErrorReason::kShuttingDown,
                        absl::StrCat(env_.shown_directory, " is not open"))) {}

Store::~Store() { Shut(); }

absl::Status Store::Open() {
  absl::MutexLock lock(&mutex_);
  return OpenLocked();
}

absl::Status Store::Reopen(uint64_t seen) {
  absl::MutexLock lock(&mutex_);
  if (db_ != nullptr && generation() == seen && Health(seen).ok()) return absl::OkStatus();
  if (db_ != nullptr && generation() != seen) return absl::OkStatus();  // somebody did
  db_.reset();
  const bool was_full = absl::IsResourceExhausted(Health(generation()));
  const absl::Status status = OpenLocked();
  if (status.ok() && !was_full) {
    absl::MutexLock state_lock(&state_mutex_);
    resumable_from_ = generation();
  }
  return status;
}

void Store::Shut() {
  absl::MutexLock lock(&mutex_);
  db_.reset();
  closed_ = MakeError(absl::StatusCode::kUnavailable, ErrorReason::kShuttingDown,
                      absl::StrCat(env_.shown_directory, " was closed"));
}

absl::Status Store::RepairTail(OpeningReport& report) {
  LoggedNumbers numbers(env_.namespace_id, std::nullopt);
  const auto scan = ScanWals(env_.file_system, env_.directory,
                             [&](const WalRecord& record) { return numbers.Take(record); });
  if (!scan.ok()) return scan.status();
  report.bytes_scanned = scan->bytes;
  if (!scan->damage.empty()) {
    const WalPlace& place = scan->damage.front();
    return DamageError({.file = absl::StrCat(env_.shown_directory, "/", place.file),
                        .offset = place.offset,
                        .length = place.length,
                        .first = numbers.first(),
                        .last = numbers.last(),
                        .reason = place.reason},
                       kRepairRemedy);
  }
  const absl::Status trimmed = TrimZeros(env_.file_system, env_.directory, *scan);
  if (!trimmed.ok()) return trimmed;
  if (!scan->torn) return absl::OkStatus();
  const auto cut = CutTornTail(env_.file_system, env_.directory, *scan);
  if (!cut.ok()) return cut.status();
  if (cut->bytes == 0) return absl::OkStatus();
  report.outcome = OpeningReport::Outcome::kTornTail;
  report.torn_tail_bytes = cut->bytes;
  if (!cut->evidence_file.empty()) {
    report.evidence_file = absl::StrCat(env_.shown_directory, "/", cut->evidence_file);
  }
  return absl::OkStatus();
}

absl::Status Store::OpenLocked() {
  const absl::Duration start = env_.clock->Now();
  OpeningReport report;
  closed_ = RepairTail(report);
  if (HasReason(closed_, ErrorReason::kDiskFull)) {
    // A log file is made anew without its end.
    reserve_.Spend();
    closed_ = RepairTail(report);
  }
  if (closed_.ok()) closed_ = SyncWals(env_.file_system, env_.directory);
  if (!closed_.ok()) return closed_;
  rocksdb::Options options = MakeOptions(env_.tuning, env_.env, listener_);
  rocksdb::DB* opened = nullptr;
  rocksdb::Status status = rocksdb::DB::Open(options, env_.directory, &opened);
  if (status.IsNoSpace()) {
    // Without room for new table files what was logged can stay in the log: all in one buffer, for
    // RocksDB writes a full one out even then.
    reserve_.Spend();
    options.avoid_flush_during_recovery = true;
    options.write_buffer_size =
        std::max<uint64_t>(options.write_buffer_size, kMemoryPerLoggedByte * report.bytes_scanned);
    status = rocksdb::DB::Open(options, env_.directory, &opened);
  }
  if (!status.ok()) {
    closed_ = FromRocks(status, "opening RocksDB", env_.shown_directory);
    return closed_;
  }
  db_.reset(opened);
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

OpeningReport Store::opening() const {
  absl::MutexLock lock(&state_mutex_);
  return opening_;
}

absl::Status Store::With(absl::FunctionRef<absl::Status(rocksdb::DB&)> use) const {
  absl::ReaderMutexLock lock(&mutex_);
  return db_ == nullptr ? closed_ : use(*db_);
}

bool Store::TryWith(absl::FunctionRef<void(rocksdb::DB&)> use) const {
  if (!mutex_.ReaderTryLock()) return false;
  const bool is_open = db_ != nullptr;
  if (is_open) use(*db_);
  mutex_.ReaderUnlock();
  return is_open;
}

absl::Status Store::Health(uint64_t generation) const {
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

absl::Status Store::Fail(uint64_t generation, const absl::Status& cause) {
  absl::MutexLock lock(&state_mutex_);
  if (generation != this->generation()) return cause;
  // A write that failed for good outweighs one that found the disk full.
  if (failure_.ok() || (absl::IsResourceExhausted(failure_) && !absl::IsResourceExhausted(cause))) {
    failure_ =
        absl::IsResourceExhausted(cause) ? cause : Failed(env_.shown_directory, cause.message());
  }
  return failure_;
}

void Store::RaiseDurable(uint64_t number) {
  uint64_t known = durable_.load(std::memory_order_relaxed);
  while (known < number && !durable_.compare_exchange_weak(known, number)) {
  }
}

rocksdb::WriteBatch Store::NewBatch() const {
  rocksdb::WriteBatch batch;
  batch.PutLogData(EncodeNote(durable_.load(std::memory_order_relaxed)));
  return batch;
}

absl::Status Store::Write(uint64_t generation, rocksdb::WriteBatch& batch, bool sync) {
  absl::Status healthy = Health(generation);
  if (!healthy.ok()) return healthy;
  const uint32_t entries = static_cast<uint32_t>(batch.Count());
  const absl::Duration began = env_.clock->Now();
  absl::Status written = With([&](rocksdb::DB& db) {
    rocksdb::WriteOptions options;
    options.sync = sync;
    // Another write may come between: then more is durable than this says.
    const uint64_t before = db.GetLatestSequenceNumber();
    const rocksdb::Status status = db.Write(options, &batch);
    if (status.ok() && sync) RaiseDurable(before + entries);
    return FromRocks(status, "writing", env_.shown_directory);
  });
  if (written.ok() && sync) env_.observer->OnSynced(env_.clock->Now() - began);
  return written.ok() ? written : Fail(generation, written);
}

absl::Status Store::Sync(uint64_t generation) {
  const absl::Status healthy = Health(generation);
  if (!healthy.ok()) return healthy;
  const absl::Duration began = env_.clock->Now();
  const absl::Status synced = With([&](rocksdb::DB& db) {
    const uint64_t before = db.GetLatestSequenceNumber();
    const rocksdb::Status status = db.SyncWAL();
    if (status.ok()) RaiseDurable(before);
    return FromRocks(status, "syncing", env_.shown_directory);
  });
  if (synced.ok()) env_.observer->OnSynced(env_.clock->Now() - began);
  return synced.ok() ? synced : Fail(generation, synced);
}

absl::Status Store::NoteAllDurable(uint64_t generation) {
  absl::Status status = Sync(generation);
  const uint64_t durable = durable_.load(std::memory_order_relaxed);
  if (!status.ok() || noted_.load(std::memory_order_relaxed) == durable) return status;
  rocksdb::WriteBatch note = NewBatch();
  status = Write(generation, note, /*sync=*/true);
  if (status.ok()) noted_.store(durable, std::memory_order_relaxed);
  return status;
}

absl::Status Store::CheckRoom(uint64_t bytes) const {
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
