// Opening a region: its tables by seeks, its metadata by its keys.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/rocksdb/key_codec.h"
#include "engine/rocksdb/rocksdb_errors.h"
#include "engine/rocksdb/rocksdb_log.h"
#include "engine/rocksdb/table_seek.h"

namespace walden::rocks {

RocksdbLog::RocksdbLog(std::shared_ptr<NamespaceState> space, RegionId region,
                       const RegionOptions& options)
    : space_(std::move(space)),
      region_(region),
      options_(options),
      generation_(space_->store.generation()) {}

absl::StatusOr<std::unique_ptr<RocksdbLog>> RocksdbLog::Open(std::shared_ptr<NamespaceState> space,
                                                             RegionId region,
                                                             const RegionOptions& options) {
  std::unique_ptr<RocksdbLog> log(new RocksdbLog(std::move(space), region, options));
  const absl::Status status = log->Load();
  if (!status.ok()) {
    return WithContext(
        status, absl::StrCat("region ", region, " of ", log->space_->store.shown_directory()));
  }
  return log;
}

absl::Status RocksdbLog::Load() {
  const Clock& clock = *space_->store.environment().clock;
  const absl::Duration start = clock.Now();
  OpeningReport report = space_->store.opening();
  std::map<TableId, TableUnit> units;
  bool is_foreign = true;
  absl::Status status = space_->store.With([&](rocksdb::DB& db) {
    absl::Status read = LoadKeys(db, units, &is_foreign);
    if (!read.ok()) return read;
    return LookAtRecords(db, units, &report.records_scanned);
  });
  if (status.ok() && is_foreign) status = Adopt(units);
  if (!status.ok()) return status;
  for (auto& [table, unit] : units) space_->numbers.RaiseUsed(table, unit.last);
  units_->Replace(std::move(units));
  FinishNumbers();
  report.duration_micros += static_cast<uint64_t>(absl::ToInt64Microseconds(clock.Now() - start));
  absl::MutexLock lock(&opening_mutex_);
  opening_ = std::move(report);
  return absl::OkStatus();
}

absl::Status RocksdbLog::LookAtRecords(rocksdb::DB& db, std::map<TableId, TableUnit>& units,
                                       uint64_t* keys_read) {
  const std::string& shown = space_->store.shown_directory();
  absl::Status status =
      SeekTables(db, space_->id, RegionBegin(space_->id, region_), RegionEnd(space_->id, region_),
                 shown, keys_read, [&](const FoundTable& found) {
                   TableUnit& unit = units[found.table];
                   unit.last = std::max(unit.last, found.last);
                   unit.first_live = found.first;
                 });
  if (!status.ok()) return status;
  std::vector<std::string> keys;  // of each table, the first live one and the end
  for (auto& [table, unit] : units) {
    // Records that are marked deleted may be there until a compaction takes them out.
    if (unit.first_live > 0 && unit.first_live <= unit.deleted_through) {
      status = FirstRecordAbove(db, {space_->id, region_, table, unit.deleted_through}, shown,
                                &unit.first_live);
      if (!status.ok()) return status;
    }
    keys.push_back(EncodeLogKey({space_->id, region_, table, unit.first_live}));
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
  for (auto& [table, unit] : units) {
    // Not knowing how many they are lets space be reclaimed later, and nothing else.
    unit.bytes = sized.ok() && unit.first_live > 0 ? bytes[at] : 0;
    ++at;
  }
  return absl::OkStatus();
}

absl::Status RocksdbLog::Adopt(std::map<TableId, TableUnit>& units) {
  rocksdb::WriteBatch batch = space_->store.NewBatch();
  const Entry region = RegionEntry(region_, 0);
  batch.Put(region.key, region.value);
  for (auto& [table, unit] : units) {
    const SequenceNumber through = space_->numbers.MaxSeq(table);
    if (unit.deleted_through > 0 || through == 0 || through >= unit.first_live) continue;
    unit.deleted_through = through;
    const Entry mark = TableEntry({region_, table, unit.kind, through});
    batch.Put(mark.key, mark.value);
  }
  // Without room for it the next opening does it again.
  if (absl::IsResourceExhausted(space_->store.CheckRoom(0))) return absl::OkStatus();
  return space_->store.Write(generation_, batch, /*sync=*/true);
}

absl::Status RocksdbLog::LoadKeys(rocksdb::DB& db, std::map<TableId, TableUnit>& units,
                                  bool* is_foreign) {
  const std::string& shown = space_->store.shown_directory();
  absl::Status status =
      ForEachKey(db, MetaBegin(KeyType::kRegion, region_), MetaEnd(KeyType::kRegion, region_),
                 shown, [&](absl::string_view key, absl::string_view value) {
                   const auto region = DecodeRegion(key, value);
                   if (region) region_version_.store(region->version);
                   *is_foreign = false;
                   return region.has_value();
                 });
  if (!status.ok()) return status;
  status = ForEachKey(db, MetaBegin(KeyType::kTable, region_), MetaEnd(KeyType::kTable, region_),
                      shown, [&](absl::string_view key, absl::string_view value) {
                        const auto table = DecodeTable(key, value);
                        if (!table) return false;
                        units[table->table] = {.last = table->deleted_through,
                                               .deleted_through = table->deleted_through,
                                               .kind = table->kind};
                        return true;
                      });
  if (!status.ok()) return status;
  return LoadProducers(db);
}

}  // namespace walden::rocks
