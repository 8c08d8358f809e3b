// Opens a database: judges what a crash left, cuts torn tails, opens RocksDB, pairs it with the
// companion file.
#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/checksum.h"
#include "base/error.h"
#include "engine/rocksdb/companion/file_names.h"
#include "engine/rocksdb/companion/ledger_env.h"
#include "engine/rocksdb/database.h"
#include "engine/rocksdb/keys/key_codec.h"
#include "engine/rocksdb/keys/table_seek.h"
#include "engine/rocksdb/options/rocksdb_errors.h"
#include "engine/rocksdb/wal/wal_sequence_numbers.h"

namespace walden::rocks {
namespace {

constexpr absl::string_view kRepairRemedy =
    "Bring the file back from a copy, or move the namespace's directory away to start empty";

// A logged byte takes at most about this many bytes in a buffer, where small records have overhead.
constexpr uint64_t kMemoryPerLoggedByte = 4;

uint64_t RandomSalt() {
  std::random_device source;
  return uint64_t{source()} << 32 | source();
}

}  // namespace

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

absl::StatusOr<absl::Time> Database::NewestWrite() const {
  const auto names = env_.file_system->ListDirectory(env_.directory);
  if (!names.ok()) return names.status();
  absl::Time newest = absl::UnixEpoch();
  for (const std::string& name : *names) {
    const FileKind kind = ParseFileName(name).kind;
    if (kind != FileKind::kLog && kind != FileKind::kTable) continue;
    const auto written = env_.file_system->LastWritten(absl::StrCat(env_.directory, "/", name));
    if (!written.ok()) return written.status();
    newest = std::max(newest, *written);
  }
  return newest;
}

absl::Status Database::Repair(const Findings& found, OpeningReport& report) {
  FileSystem* const files = env_.file_system;
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

absl::Status Database::RemoveLeftovers(const Findings& found) {
  for (const std::string& name : found.directory.logs.leftovers) {
    const absl::Status removed =
        env_.file_system->RemoveFile(absl::StrCat(env_.directory, "/", name));
    if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
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
  // All logs are durable by now. Some of them may stay while later ones are written, if the disk
  // has no room for tables.
  companion.logs.clear();
  companion.numbers_through = 0;
  for (const std::string& name : *names) {
    const FileName file = ParseFileName(name);
    companion.numbers_through = std::max(companion.numbers_through, file.number);
    if (file.kind != FileKind::kLog || found.directory.logs.leftovers.contains(name)) continue;
    CompanionLog log{.number = file.number};
    const auto bytes = ReadWholeFile(env_.file_system, absl::StrCat(env_.directory, "/", name));
    if (!bytes.ok()) return bytes.status();
    if (!bytes->empty()) log.durable = {bytes->size(), Crc32c(*bytes)};
    companion.logs.push_back(log);
  }
  std::sort(companion.logs.begin(), companion.logs.end(),
            [](const CompanionLog& a, const CompanionLog& b) { return a.number < b.number; });
  // CURRENT must be durable before the companion file relies on it.
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
  // On a full disk a compaction would fail again, before a mark that makes room could be written.
  options.disable_auto_compactions = is_short();
  rocksdb::DB* opened = nullptr;
  rocksdb::Status status = rocksdb::DB::Open(options, env_.directory, &opened);
  if (status.IsNoSpace()) {
    // Without room for new table files the logged records stay in the log and in one buffer that
    // holds all of them: RocksDB would write a full buffer out.
    reserve_.Spend();
    is_short_.store(true, std::memory_order_relaxed);
    options.disable_auto_compactions = true;
    options.avoid_flush_during_recovery = true;
    options.write_buffer_size =
        std::max<uint64_t>(options.write_buffer_size, kMemoryPerLoggedByte * found.scan.bytes);
    status = rocksdb::DB::Open(options, env_.directory, &opened);
  }
  if (!status.ok()) return FromRocks(status, "opening RocksDB", env_.shown_directory);
  db_.reset(opened);
  return absl::OkStatus();
}

absl::Status Database::BoundTimes(rocksdb::WriteBatch& batch) const {
  const uint64_t by = static_cast<uint64_t>(
      std::max({env_.wall_clock->UnixMicros(), last_written_unix_micros(), int64_t{0}}));
  uint64_t keys_read = 0;
  return SeekTables(*db_, env_.namespace_id, NamespaceBegin(env_.namespace_id),
                    NamespaceEnd(env_.namespace_id), env_.shown_directory, &keys_read,
                    [&](const FoundTable& found) {
                      const Entry time = AppendTimeEntry({.region = found.region,
                                                          .table = found.table,
                                                          .unix_micros = by,
                                                          .first = found.last + 1});
                      batch.Put(time.key, time.value);
                    });
}

absl::Status Database::Pair() {
  std::string value;
  const Entry entry = CompanionEntry(ledger_->salt());
  rocksdb::Status status = db_->Get({}, entry.key, &value);
  const bool is_adopted = status.ok() && value != entry.value;
  if (status.IsNotFound() || is_adopted) {
    rocksdb::WriteBatch batch;
    batch.Put(entry.key, entry.value);
    if (is_adopted) {
      // Another program may have appended records after the newest append times.
      batch.DeleteRange(MetaBegin(KeyType::kAppendTime), MetaEnd(KeyType::kAppendTime));
    }
    const absl::Status bounded = BoundTimes(batch);
    if (!bounded.ok()) return bounded;
    rocksdb::WriteOptions options;
    options.sync = true;
    status = db_->Write(options, &batch);
  }
  if (!status.ok()) return FromRocks(status, "writing", env_.shown_directory);
  return ledger_->NoteOpen();
}

absl::Status Database::OpenLocked(bool was_full) {
  const absl::Duration start = env_.clock->Now();
  OpeningReport report;
  is_short_.store(was_full, std::memory_order_relaxed);
  absl::StatusOr<Findings> found = Look();
  closed_ = found.status();
  if (!closed_.ok()) return closed_;
  if (const auto newest = NewestWrite(); newest.ok()) {
    // An earlier opening in this process may have known files that are gone.
    last_written_unix_micros_.store(
        std::max(last_written_unix_micros(), absl::ToUnixMicros(*newest)),
        std::memory_order_relaxed);
  } else {
    closed_ = newest.status();
    return closed_;
  }
  const auto prepare = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto rewritten = RewriteTails(env_.file_system, env_.directory, found->directory.logs);
    if (!rewritten.ok()) return rewritten.status();
    // The bytes that are durable now are the ones to judge.
    if (*rewritten) found = Look();
    absl::Status status = found.status();
    if (status.ok()) status = Repair(*found, report);
    if (status.ok()) status = BeginLedger(*found);
    // Not before: the companion file that was read may be in the cache only, and the one on the disk
    // may name them.
    return status.ok() ? RemoveLeftovers(*found) : status;
  };
  closed_ = prepare();
  if (HasReason(closed_, ErrorReason::kDiskFull)) {
    // A cut log file and the companion file are written anew, which takes room.
    reserve_.Spend();
    is_short_.store(true, std::memory_order_relaxed);
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
  // On a full disk the room is left to the mark that opens RocksDB again, and to what it reclaims.
  if (!is_short()) reserve_.Make();
  return absl::OkStatus();
}

}  // namespace walden::rocks
