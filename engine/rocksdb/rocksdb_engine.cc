#include "engine/rocksdb/rocksdb_engine.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/common/directory_owner.h"
#include "engine/log_errors.h"
#include "engine/rocksdb/keys/key_codec.h"
#include "engine/rocksdb/keys/table_seek.h"
#include "engine/rocksdb/namespace_state.h"
#include "engine/rocksdb/options/rocksdb_errors.h"
#include "engine/rocksdb/rocksdb_log.h"

namespace walden {

using rocks::Entry;
using rocks::KeyType;

namespace {

std::string DirectoryOf(const RocksdbEngineOptions& options) {
  return absl::StrCat(options.data_directory, "/", options.namespace_name);
}

rocks::Database::Environment EnvironmentOf(const RocksdbEngineOptions& options) {
  return {.file_system = options.file_system,
          .env = options.env,
          .clock = options.clock,
          .wall_clock = options.wall_clock,
          .observer = options.observer,
          .directory = DirectoryOf(options),
          .shown_directory = options.namespace_name,
          .namespace_name = rocks::NamespaceNameOf(options.namespace_name),
          .namespace_id = options.namespace_id,
          .quota = options.quotas == nullptr ? nullptr : &options.quotas->whole(),
          .tuning = options.tuning};
}

absl::Status NoSuchRegion(RegionId region, const std::string& namespace_name) {
  return MakeError(absl::StatusCode::kNotFound, ErrorReason::kRegionNotFound,
                   absl::StrCat("there is no region ", region, " in namespace ", namespace_name),
                   {{"field", "region_id"}, {"value", absl::StrCat(region)}});
}

}  // namespace

absl::StatusOr<std::unique_ptr<RocksdbEngine>> RocksdbEngine::Open(RocksdbEngineOptions options) {
  std::unique_ptr<RocksdbEngine> engine(new RocksdbEngine(std::move(options)));
  // After any other error the engine exists: each call tries again, and answers the error until
  // opening succeeds.
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
  if (entered_) return lock_ == nullptr ? absl::OkStatus() : lock_->CheckInPlace();
  FileSystem* const files = options_.file_system;
  absl::Status status = CheckDirectoryOwner(files, options_.data_directory, options_.namespace_name,
                                            DirectoryOwner::kRocksdb);
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
  space_->database.Shut();
}

absl::Status RocksdbEngine::EnsureOpen() {
  absl::MutexLock lock(&mutex_);
  const uint64_t generation = space_->database.generation();
  // A healthy database is not reopened: reopening waits for every write under way, and all other
  // calls wait for it.
  if (opened_.ok() && space_->database.Health(generation).ok()) return opened_;
  // A directory that is gone must not make its regions look as if they never existed.
  opened_ = MissingFile(Enter());
  if (!opened_.ok()) return opened_;
  opened_ = MissingFile(space_->database.Reopen(generation));
  if (opened_.ok()) opened_ = LoadNumbers();
  if (opened_.ok()) {
    // A new process does not know which of the reserved numbers were given out.
    if (!was_loaded_) space_->allocator.TakeReservedForUsed();
    space_->allocator.TakeAssignedForUsed();
    was_loaded_ = true;
    space_->reclaimer.Loaded();
  }
  opened_ = WithContext(opened_, absl::StrCat("namespace ", options_.namespace_name));
  return opened_;
}

absl::Status RocksdbEngine::LoadNumbers() {
  rocks::SequenceAllocator& numbers = space_->allocator;
  const std::string& shown = space_->database.shown_directory();
  regions_.clear();
  keys_read_ = 0;
  // Under the lock no region gives a reservation back and none is dropped, so the numbers do not
  // change between reading and use.
  absl::MutexLock keys_lock(&space_->shared_keys_mutex);
  const absl::Status status =
      space_->database.With([&](rocksdb::DB& db) ABSL_NO_THREAD_SAFETY_ANALYSIS {
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
          if (!number) return false;
          numbers.RaiseReserved(number->table, number->through);
          numbers.ReservedDurably(number->table, number->through);
          return true;
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
          if (!table) return false;
          numbers.RaiseUsed(table->table, table->deleted_through);
          space_->marks->Raise({table->region, table->table, table->deleted_through});
          regions_.insert(table->region);
          return true;
        });
        if (!read.ok()) return read;
        const NamespaceId id = options_.namespace_id;
        return rocks::SeekTables(
            db, id, rocks::NamespaceBegin(id), rocks::NamespaceEnd(id), shown, &keys_read_,
            [&](const rocks::FoundTable& found) ABSL_NO_THREAD_SAFETY_ANALYSIS {
              regions_.insert(found.region);
              numbers.RaiseUsed(found.table, found.last);
            });
      });
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
    if (absl::IsNotFound(file.status())) continue;  // removed meanwhile
    const absl::StatusOr<uint64_t> size = file.ok() ? (*file)->Size() : file.status();
    if (!size.ok()) return size.status();
    bytes += *size;
  }
  options_.quotas->whole().SetUsed(bytes);
  return absl::OkStatus();
}

absl::Status RocksdbEngine::ReclaimNow() {
  return space_->reclaimer.Run(rocks::ReclaimEffort::kEverything);
}

void RocksdbEngine::OpenRegion(
    RegionId region, const OpenRequest& request,
    std::function<void(absl::StatusOr<std::unique_ptr<RegionLog>>)> done) {
  done(OpenRegionNow(region, request.options, request.create));
}

absl::StatusOr<std::unique_ptr<RegionLog>> RocksdbEngine::OpenRegionNow(
    RegionId region, const RegionOptions& options, bool create) {
  absl::Status status = EnsureOpen();
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
  absl::Status status = space_->database.CheckRoom(0);
  if (!status.ok()) return status;
  rocksdb::WriteBatch batch = space_->database.NewBatch();
  const Entry entry = rocks::RegionEntry(region, 0);
  batch.Put(entry.key, entry.value);
  status = space_->database.Write(space_->database.generation(), batch, /*sync=*/true);
  if (!status.ok()) return status;
  absl::MutexLock lock(&mutex_);
  regions_.insert(region);
  return status;
}

absl::StatusOr<std::set<TableId>> RocksdbEngine::TablesOf(RegionId region) const {
  std::set<TableId> tables;
  const std::string& shown = space_->database.shown_directory();
  const NamespaceId id = options_.namespace_id;
  uint64_t keys_read = 0;
  const absl::Status status = space_->database.With([&](rocksdb::DB& db) {
    const absl::Status read = rocks::ForEachKey(
        db, rocks::MetaBegin(KeyType::kTable, region), rocks::MetaEnd(KeyType::kTable, region),
        shown, [&](absl::string_view key, absl::string_view value) {
          const auto table = rocks::DecodeTable(key, value);
          if (table) tables.insert(table->table);
          return table.has_value();
        });
    if (!read.ok()) return read;
    return rocks::SeekTables(db, id, rocks::RegionBegin(id, region), rocks::RegionEnd(id, region),
                             shown, &keys_read, [&](const rocks::FoundTable& found) {
                               space_->allocator.RaiseUsed(found.table, found.last);
                               tables.insert(found.table);
                             });
  });
  if (!status.ok()) return status;
  return tables;
}

void RocksdbEngine::DropRegion(RegionId region, std::function<void(absl::StatusOr<bool>)> done) {
  done(DropRegionNow(region));
}

absl::StatusOr<bool> RocksdbEngine::DropRegionNow(RegionId region) {
  absl::Status status = EnsureOpen();
  if (!status.ok()) return status;
  const absl::StatusOr<bool> exists = Exists(region);
  if (!exists.ok() || !*exists) return exists;
  const absl::StatusOr<std::set<TableId>> tables = TablesOf(region);
  if (!tables.ok()) return tables.status();
  rocksdb::WriteBatch batch = space_->database.NewBatch();
  // The range deletion hides records that were written before it, and no later records of a region
  // with the same id.
  batch.DeleteRange(rocks::RegionBegin(options_.namespace_id, region),
                    rocks::RegionEnd(options_.namespace_id, region));
  batch.DeleteRange(rocks::MetaBegin(KeyType::kAppendTime, region),
                    rocks::MetaEnd(KeyType::kAppendTime, region));
  batch.Delete(rocks::RegionEntry(region, 0).key);
  status = space_->database.With([&](rocksdb::DB& db) {
    absl::Status read;
    for (const KeyType type : {KeyType::kTable, KeyType::kProducer, KeyType::kProducerBatch}) {
      if (!read.ok()) break;
      read = rocks::DeleteKeys(db, rocks::MetaBegin(type, region), rocks::MetaEnd(type, region),
                               space_->database.shown_directory(), batch);
    }
    return read;
  });
  if (!status.ok()) return status;
  {
    absl::MutexLock keys_lock(&space_->shared_keys_mutex);
    space_->marks->Forget(region);
    // The numbers of the region's tables stay used: another region may have tables of the same ids,
    // and HoraeDB goes on from MaxSeq. The reservation says that Walden wrote the tables.
    for (const TableId table : *tables) {
      const SequenceNumber last = space_->allocator.Used(table);
      space_->PutMaxSeq(batch, table, last);
      space_->PutReserved(batch, table, last);
    }
    status = space_->database.Write(space_->database.generation(), batch, /*sync=*/true);
  }
  if (!status.ok()) return status;
  {
    absl::MutexLock lock(&mutex_);
    regions_.erase(region);
  }
  space_->reclaimer.Dropped(region);
  return true;
}

TablePosition RocksdbEngine::PositionInAbsentRegion(TableId table) const {
  return rocks::PublishedTables(&space_->allocator).Position(table);
}

absl::Status RocksdbEngine::CheckFitsNewRegion(const RegionOptions&,
                                               const AppendBatch& batch) const {
  return rocks::CheckBatchFits(batch);
}

void RocksdbEngine::KeepHouse() {
  if (space_->database.is_short()) space_->database.EndShortage();
  space_->reclaimer.Tick();
}

absl::Status RocksdbEngine::VerifyClosedRegion(
    RegionId region, absl::FunctionRef<bool(const VerifyProgress&)> report) const {
  const absl::StatusOr<bool> exists = Exists(region);
  if (exists.ok() && !*exists) return NoSuchRegion(region, options_.namespace_name);
  return rocks::VerifyRegion(*space_, region, nullptr, report);
}

}  // namespace walden
