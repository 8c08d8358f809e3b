// Opens a region: finds its tables by seeks, and reads its metadata keys.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/rocksdb/keys/key_codec.h"
#include "engine/rocksdb/keys/table_seek.h"
#include "engine/rocksdb/options/rocksdb_errors.h"
#include "engine/rocksdb/rocksdb_log.h"

namespace walden::rocks {

RocksdbLog::RocksdbLog(std::shared_ptr<NamespaceState> space, RegionId region,
                       const RegionOptions& options)
    : space_(std::move(space)),
      region_(region),
      options_(options),
      generation_(space_->database.generation()) {}

absl::StatusOr<std::unique_ptr<RocksdbLog>> RocksdbLog::Open(std::shared_ptr<NamespaceState> space,
                                                             RegionId region,
                                                             const RegionOptions& options) {
  std::unique_ptr<RocksdbLog> log(new RocksdbLog(std::move(space), region, options));
  const absl::Status status = log->Load();
  if (!status.ok()) {
    return WithContext(
        status, absl::StrCat("region ", region, " of ", log->space_->database.shown_directory()));
  }
  return log;
}

absl::Status RocksdbLog::Load() {
  const Clock& clock = *space_->database.environment().clock;
  const absl::Duration start = clock.Now();
  OpeningReport report = space_->database.opening();
  std::map<TableId, PublishedTable> tables;
  bool is_foreign = true;
  absl::Status status = space_->database.With([&](rocksdb::DB& db) {
    absl::Status read = LoadKeys(db, tables, &is_foreign);
    if (!read.ok()) return read;
    return LookAtRecords(db, tables, &report.records_scanned);
  });
  if (status.ok() && is_foreign) status = Adopt(tables);
  if (status.ok()) status = LoadTimes(tables);
  if (!status.ok()) return status;
  for (auto& [table, published] : tables) space_->allocator.RaiseUsed(table, published.last);
  tables_->Replace(std::move(tables));
  FinishNumbers();
  report.duration_micros += static_cast<uint64_t>(absl::ToInt64Microseconds(clock.Now() - start));
  absl::MutexLock lock(&opening_mutex_);
  opening_ = std::move(report);
  return absl::OkStatus();
}

absl::Status RocksdbLog::LookAtRecords(rocksdb::DB& db, std::map<TableId, PublishedTable>& tables,
                                       uint64_t* keys_read) {
  const std::string& shown = space_->database.shown_directory();
  absl::Status status =
      SeekTables(db, space_->id, RegionBegin(space_->id, region_), RegionEnd(space_->id, region_),
                 shown, keys_read, [&](const FoundTable& found) {
                   PublishedTable& published = tables[found.table];
                   published.last = std::max(published.last, found.last);
                   published.first_live = found.first;
                 });
  if (!status.ok()) return status;
  std::vector<std::string> keys;  // of each table, the first live one and the end
  for (auto& [table, published] : tables) {
    // Records that are marked deleted stay until a compaction removes them.
    if (published.first_live > 0 && published.first_live <= published.deleted_through) {
      status = FirstRecordAbove(db, {space_->id, region_, table, published.deleted_through}, shown,
                                &published.first_live);
      if (!status.ok()) return status;
    }
    keys.push_back(EncodeLogKey({space_->id, region_, table, published.first_live}));
    keys.push_back(TableEnd(space_->id, region_, table));
  }
  std::vector<rocksdb::Range> ranges;
  for (size_t i = 0; i < keys.size(); i += 2) ranges.emplace_back(keys[i], keys[i + 1]);
  std::vector<uint64_t> bytes(ranges.size());
  rocksdb::SizeApproximationOptions options;
  options.include_memtables = true;
  const rocksdb::Status sized =
      db.GetApproximateSizes(options, db.DefaultColumnFamily(), ranges.data(),
                             static_cast<int>(ranges.size()), bytes.data());
  size_t at = 0;
  for (auto& [table, published] : tables) {
    // Without the sizes space is reclaimed later; nothing else depends on them.
    published.bytes = sized.ok() && published.first_live > 0 ? bytes[at] : 0;
    ++at;
  }
  return absl::OkStatus();
}

absl::Status RocksdbLog::Adopt(std::map<TableId, PublishedTable>& tables) {
  rocksdb::WriteBatch batch = space_->database.NewBatch();
  const Entry region = RegionEntry(region_, 0);
  batch.Put(region.key, region.value);
  for (auto& [table, published] : tables) {
    const SequenceNumber through = space_->allocator.MaxSeq(table);
    if (published.deleted_through > 0 || through == 0 || through >= published.first_live) continue;
    published.deleted_through = through;
    const Entry mark = TableEntry({region_, table, published.kind, through});
    batch.Put(mark.key, mark.value);
  }
  // Without room for the keys the next opening writes them.
  if (absl::IsResourceExhausted(space_->database.CheckRoom(0))) return absl::OkStatus();
  return space_->database.Write(generation_, batch, /*sync=*/true);
}

absl::Status RocksdbLog::LoadKeys(rocksdb::DB& db, std::map<TableId, PublishedTable>& tables,
                                  bool* is_foreign) {
  const std::string& shown = space_->database.shown_directory();
  uint64_t version = 0;
  absl::Status status =
      ForEachKey(db, MetaBegin(KeyType::kRegion, region_), MetaEnd(KeyType::kRegion, region_),
                 shown, [&](absl::string_view key, absl::string_view value) {
                   const auto region = DecodeRegion(key, value);
                   if (region) version = region->version;
                   *is_foreign = false;
                   return region.has_value();
                 });
  if (!status.ok()) return status;
  region_version_.store(version);
  status = ForEachKey(db, MetaBegin(KeyType::kTable, region_), MetaEnd(KeyType::kTable, region_),
                      shown, [&](absl::string_view key, absl::string_view value) {
                        const auto table = DecodeTable(key, value);
                        if (!table) return false;
                        tables[table->table] = {.last = table->deleted_through,
                                                .deleted_through = table->deleted_through,
                                                .kind = table->kind};
                        return true;
                      });
  if (!status.ok()) return status;
  return LoadProducers(db);
}

}  // namespace walden::rocks
