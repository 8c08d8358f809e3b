#include "engine/rocksdb/rocksdb_engine.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/error.h"
#include "engine/rocksdb/keys.h"
#include "engine/rocksdb/namespace_state.h"
#include "engine/rocksdb/rocksdb_log.h"
#include "engine/rocksdb/status.h"
#include "engine/rocksdb/table_seek.h"
#include "engine/stored_engine.h"

namespace walden {

using rocks::Entry;
using rocks::KeyType;

namespace {

std::string DirectoryOf(const RocksdbEngineOptions& options) {
  return absl::StrCat(options.data_directory, "/", options.namespace_name);
}

rocks::Store::Environment EnvironmentOf(const RocksdbEngineOptions& options) {
  return {.file_system = options.file_system,
          .env = options.env,
          .clock = options.clock,
          .observer = options.observer,
          .directory = DirectoryOf(options),
          .shown_directory = options.namespace_name,
          .namespace_name = rocks::NamespaceNameOf(options.namespace_name),
          .namespace_id = options.namespace_id,
          .quota = options.quotas == nullptr ? nullptr : &options.quotas->whole(),
          .tuning = options.tuning};
}

absl::Status NoSuchRegion(RegionId region, const std::string& namespace_name) {
  return MakeError(absl::StatusCode::kNotFound, ErrorReason::kNotFound,
                   absl::StrCat("there is no region ", region, " in namespace ", namespace_name),
                   {{"field", "region_id"}, {"value", absl::StrCat(region)}});
}

}  // namespace

absl::StatusOr<std::unique_ptr<RocksdbEngine>> RocksdbEngine::Open(RocksdbEngineOptions options) {
  std::unique_ptr<RocksdbEngine> engine(new RocksdbEngine(std::move(options)));
  // What goes wrong here is what every call answers until it goes well.
  const absl::Status opened = engine->EnsureOpen();
  if (HasReason(opened, ErrorReason::kLocked) || HasReason(opened, ErrorReason::kWrongEngine)) {
    return opened;
  }
  return engine;
}

RocksdbEngine::RocksdbEngine(RocksdbEngineOptions options)
    : options_(std::move(options)),
      space_(std::make_shared<rocks::NamespaceState>(options_.namespace_id, EnvironmentOf(options_),
                                                     options_.background)),
      opened_(absl::UnavailableError("not opened yet")) {}

absl::Status RocksdbEngine::Enter() {
  if (entered_) return absl::OkStatus();
  FileSystem* const files = options_.file_system;
  absl::Status status = CheckStoredEngine(files, options_.data_directory, options_.namespace_name,
                                          StoredEngine::kRocksdb);
  if (status.ok()) status = files->CreateDirectory(DirectoryOf(options_));
  if (status.ok()) status = files->SyncDirectory(options_.data_directory);
  if (!status.ok()) return status;
  if (!options_.caller_holds_lock) {
    auto taken = files->LockDirectory(DirectoryOf(options_));
    if (!taken.ok()) return taken.status();
    status = CheckNotRestoring(files, DirectoryOf(options_));
    if (!status.ok()) return status;
    lock_ = *std::move(taken);
  }
  entered_ = true;
  return status;
}

RocksdbEngine::~RocksdbEngine() {
  space_->reclaimer.Stop();
  space_->store.Shut();
}

absl::Status RocksdbEngine::EnsureOpen() {
  absl::MutexLock lock(&mutex_);
  if (opened_.ok()) return opened_;
  opened_ = Enter();
  if (!opened_.ok()) return opened_;
  opened_ = space_->store.Reopen(space_->store.generation());
  if (opened_.ok()) opened_ = LoadNumbers();
  opened_ = WithContext(opened_, absl::StrCat("namespace ", options_.namespace_name));
  return opened_;
}

absl::Status RocksdbEngine::ReopenFailed() {
  const uint64_t generation = space_->store.generation();
  // Only then: reopening waits for every write under way, and lets everybody wait for it.
  if (space_->store.Health(generation).ok()) return absl::OkStatus();
  return space_->store.Reopen(generation);
}

absl::Status RocksdbEngine::LoadNumbers() {
  rocks::TableNumbers& numbers = space_->numbers;
  const std::string& shown = space_->store.shown_directory();
  numbers.Clear();
  regions_.clear();
  keys_read_ = 0;
  const absl::Status status =
      space_->store.With([&](rocksdb::DB& db) ABSL_NO_THREAD_SAFETY_ANALYSIS {
        const auto each = [&](KeyType type, auto take) {
          return rocks::ForEachKey(db, rocks::MetaBegin(type), rocks::MetaEnd(type), shown, take);
        };
        absl::Status read = each(KeyType::kMaxSeq, [&](auto key, auto value) {
          const auto number = rocks::DecodeMaxSeq(key, value);
          if (number) numbers.RaiseMaxSeq(number->table, number->through);
          return number.has_value();
        });
        if (!read.ok()) return read;
        read = each(KeyType::kReserved, [&](auto key, auto value) {
          const auto number = rocks::DecodeReserved(key, value);
          if (number) numbers.RaiseReserved(number->table, number->through);
          return number.has_value();
        });
        if (!read.ok()) return read;
        read = each(KeyType::kRegion, [&](auto key, auto value) ABSL_NO_THREAD_SAFETY_ANALYSIS {
          const auto region = rocks::DecodeRegion(key, value);
          if (region) regions_.insert(region->region);
          return region.has_value();
        });
        if (!read.ok()) return read;
        read = each(KeyType::kTable, [&](auto key, auto value) ABSL_NO_THREAD_SAFETY_ANALYSIS {
          const auto table = rocks::DecodeTable(key, value);
          if (table) numbers.RaiseLast(table->table, table->deleted_through);
          if (table) regions_.insert(table->region);
          return table.has_value();
        });
        if (!read.ok()) return read;
        const NamespaceId id = options_.namespace_id;
        return rocks::SeekTables(
            db, id, rocks::NamespaceBegin(id), rocks::NamespaceEnd(id), shown, &keys_read_,
            [&](const rocks::FoundTable& found) ABSL_NO_THREAD_SAFETY_ANALYSIS {
              regions_.insert(found.region);
              numbers.RaiseLast(found.table, found.last);
            });
      });
  numbers.TakeReservedForUsed();
  return status;
}

absl::StatusOr<bool> RocksdbEngine::Exists(RegionId region) const {
  absl::MutexLock lock(&mutex_);
  if (!opened_.ok()) return opened_;
  return regions_.count(region) > 0;
}

absl::StatusOr<std::vector<RegionId>> RocksdbEngine::ListRegions() const {
  absl::MutexLock lock(&mutex_);
  if (!opened_.ok()) return opened_;
  return std::vector<RegionId>(regions_.begin(), regions_.end());
}

uint64_t RocksdbEngine::keys_read_at_opening() const {
  absl::MutexLock lock(&mutex_);
  return keys_read_;
}

absl::Status RocksdbEngine::CountDiskUsage() {
  if (options_.quotas == nullptr || options_.quotas->whole().limit() == 0) return absl::OkStatus();
  FileSystem* const files = options_.file_system;
  const auto names = files->ListDirectory(DirectoryOf(options_));
  if (!names.ok()) return names.status();
  uint64_t bytes = 0;
  for (const std::string& name : *names) {
    if (!absl::EndsWith(name, ".sst") && !absl::EndsWith(name, ".log")) continue;
    const auto file = files->OpenFile(absl::StrCat(DirectoryOf(options_), "/", name),
                                      FileSystem::OpenMode::kReadOnly);
    if (absl::IsNotFound(file.status())) continue;  // went meanwhile
    const absl::StatusOr<uint64_t> size = file.ok() ? (*file)->Size() : file.status();
    if (!size.ok()) return size.status();
    bytes += *size;
  }
  options_.quotas->whole().SetUsed(bytes);
  return absl::OkStatus();
}

absl::Status RocksdbEngine::ReclaimNow() { return space_->reclaimer.Run(); }

absl::StatusOr<std::unique_ptr<RegionLog>> RocksdbEngine::OpenRegion(RegionId region,
                                                                     const RegionOptions& options,
                                                                     bool create) {
  absl::Status status = EnsureOpen();
  if (status.ok()) status = ReopenFailed();
  if (!status.ok()) return status;
  const absl::StatusOr<bool> exists = Exists(region);
  if (!exists.ok()) return exists.status();
  if (!*exists && !create) return NoSuchRegion(region, options_.namespace_name);
  if (!*exists) {
    status = Create(region);
    if (!status.ok()) return status;
  }
  auto log = rocks::RocksdbLog::Open(space_, region, options);
  if (!log.ok()) return log.status();
  return std::unique_ptr<RegionLog>(*std::move(log));
}

absl::Status RocksdbEngine::Create(RegionId region) {
  absl::Status status = space_->store.CheckRoom(0);
  if (!status.ok()) return status;
  rocksdb::WriteBatch batch = space_->store.NewBatch();
  const Entry entry = rocks::RegionEntry(region, 0);
  batch.Put(entry.key, entry.value);
  status = space_->store.Write(space_->store.generation(), batch, /*sync=*/true);
  if (!status.ok()) return status;
  absl::MutexLock lock(&mutex_);
  regions_.insert(region);
  return status;
}

absl::StatusOr<bool> RocksdbEngine::DropRegion(RegionId region) {
  absl::Status status = EnsureOpen();
  if (status.ok()) status = ReopenFailed();
  if (!status.ok()) return status;
  const absl::StatusOr<bool> exists = Exists(region);
  if (!exists.ok() || !*exists) return exists;
  const std::string begin = rocks::RegionBegin(options_.namespace_id, region);
  const std::string end = rocks::RegionEnd(options_.namespace_id, region);
  rocksdb::WriteBatch batch = space_->store.NewBatch();
  batch.DeleteRange(begin, end);
  batch.Delete(rocks::RegionEntry(region, 0).key);
  for (const KeyType type : {KeyType::kTable, KeyType::kProducer}) {
    batch.DeleteRange(rocks::MetaBegin(type, region), rocks::MetaEnd(type, region));
  }
  absl::MutexLock keys_lock(&space_->shared_keys_mutex);
  // Its tables' numbers stay used: another region may have tables of the same ids.
  uint64_t keys_read = 0;
  status = space_->store.With([&](rocksdb::DB& db) {
    return rocks::SeekTables(db, options_.namespace_id, begin, end, space_->store.shown_directory(),
                             &keys_read, [&](const rocks::FoundTable& found) {
                               const Entry entry = rocks::MaxSeqEntry(
                                   found.table,
                                   std::max(found.last, space_->numbers.MaxSeq(found.table)));
                               batch.Put(entry.key, entry.value);
                             });
  });
  if (status.ok()) {
    status = space_->store.Write(space_->store.generation(), batch, /*sync=*/true);
  }
  if (!status.ok()) return status;
  {
    absl::MutexLock lock(&mutex_);
    regions_.erase(region);
  }
  space_->reclaimer.Deleted({begin, end}, options_.tuning.reclaim_bytes);
  return true;
}

absl::Status RocksdbEngine::VerifyClosedRegion(
    RegionId region, absl::FunctionRef<bool(const VerifyProgress&)> report) const {
  const absl::StatusOr<bool> exists = Exists(region);
  if (exists.ok() && !*exists) return NoSuchRegion(region, options_.namespace_name);
  return rocks::VerifyRegion(*space_, region, nullptr, report);
}

}  // namespace walden
