#include "engine/rocksdb/rocksdb_reader.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "engine/rocksdb/keys.h"
#include "engine/rocksdb/status.h"

namespace walden::rocks {
namespace {

constexpr absl::string_view kRemedy = "Read from behind the range, or mark it deleted";

}  // namespace

void AddLostRecords(rocksdb::DB& db, NamespaceId id, RegionId region, TableId table,
                    DamagedRange& damage) {
  std::vector<rocksdb::LiveFileMetaData> files;
  db.GetLiveFilesMetaData(&files);
  const std::string begin = TableBegin(id, region, table);
  const std::string end = TableEnd(id, region, table);
  for (const rocksdb::LiveFileMetaData& file : files) {
    if (!absl::EndsWith(damage.file, file.name)) continue;
    if (file.largestkey < begin || file.smallestkey >= end) continue;
    const auto oldest = DecodeLogKey(file.smallestkey);
    const auto newest = DecodeLogKey(file.largestkey);
    const SequenceNumber first = file.smallestkey < begin || !oldest ? 1 : oldest->sequence;
    const SequenceNumber last =
        file.largestkey >= end || !newest ? kMaxSequenceNumber : newest->sequence;
    damage.first = std::max(damage.first, first);
    damage.last = damage.last == 0 ? last : std::min(damage.last, last);
  }
}

RocksdbReader::RocksdbReader(std::shared_ptr<const NamespaceState> space, RegionId region,
                             std::shared_ptr<const TableUnits> units, const ReadRange& range)
    : space_(std::move(space)), region_(region), units_(std::move(units)), range_(range) {}

SequenceNumber& RocksdbReader::Wanted(TableId table) {
  return wanted_.emplace(table, std::max<SequenceNumber>(range_.first, 1)).first->second;
}

absl::StatusOr<ReadProgress> RocksdbReader::Next(const ReadLimits& limits,
                                                 absl::FunctionRef<void(const RecordView&)> visit) {
  Budget budget{limits.max_records, limits.max_payload_bytes, limits.max_record_bytes, visit};
  absl::StatusOr<ReadProgress> progress = ReadProgress::kAtEnd;
  const absl::Status status = space_->store.With([&](rocksdb::DB& db) {
    progress = Walk(db, budget);
    return absl::OkStatus();
  });
  return status.ok() ? progress : status;
}

absl::StatusOr<ReadProgress> RocksdbReader::Walk(rocksdb::DB& db, Budget& budget) {
  std::optional<BoundedIterator> at;
  uint64_t at_publication = 0;  // of `at`: it has what was published by then
  // One table is a walk over all tables that begins and ends with it.
  if (range_.table) turn_ = *range_.table;
  const TableId begin = turn_;
  for (bool wrapped = false;;) {
    if (budget.too_large) return ReadProgress::kTooLarge;
    const auto named = units_->AtOrBehind(turn_);
    if (!named || (range_.table && named->table != *range_.table)) {
      if (range_.table || wrapped || begin == 0) break;
      wrapped = true;  // what became visible in the tables before this one
      turn_ = 0;
      continue;
    }
    if (wrapped && named->table >= begin) break;
    SequenceNumber& wanted = Wanted(named->table);
    wanted = std::max(wanted, named->unit.deleted_through + 1);
    turn_ = named->table;
    if (wanted <= std::min(range_.last, named->unit.last)) {
      if (budget.spent()) return ReadProgress::kMore;
      if (!at || named->unit.published > at_publication) {
        at_publication = units_->publications();
        at.emplace(
            db,
            range_.table ? TableBegin(space_->id, region_, turn_)
                         : RegionBegin(space_->id, region_),
            range_.table ? TableEnd(space_->id, region_, turn_) : RegionEnd(space_->id, region_));
      }
      const absl::Status status = ReadTable(*at, turn_, named->unit, budget);
      if (!status.ok()) {
        const bool is_stored_damage = IsDamage((*at)->status());
        return is_stored_damage ? Damaged(db, (*at)->status(), turn_, named->unit) : status;
      }
      continue;
    }
    if (range_.table) {
      return wanted > range_.last ? ReadProgress::kFinished : ReadProgress::kAtEnd;
    }
    if (turn_ == UINT64_MAX) {
      if (wrapped || begin == 0) break;
      wrapped = true;
      turn_ = 0;
      continue;
    }
    ++turn_;
  }
  if (!range_.table) turn_ = 0;
  return ReadProgress::kAtEnd;
}

absl::Status RocksdbReader::ReadTable(BoundedIterator& at, TableId table, const TableUnit& unit,
                                      Budget& budget) {
  SequenceNumber& wanted = Wanted(table);
  const SequenceNumber last = std::min(range_.last, unit.last);
  const std::string begin = EncodeLogKey({space_->id, region_, table, wanted});
  for (at->Seek(begin); at->Valid(); at->Next()) {
    const auto key = DecodeLogKey(at.key());
    if (!key) return UnknownBytes(at.key(), space_->store.shown_directory());
    if (key->table != table || key->sequence > last) break;
    const auto payload = DecodeLogValue(at.value());
    if (!payload) return UnknownBytes(at.key(), space_->store.shown_directory());
    if (budget.spent()) return absl::OkStatus();
    if (payload->size() > budget.largest_record) {
      budget.too_large = true;
      too_large_bytes_ = payload->size();
      return absl::OkStatus();
    }
    budget.visit({table, key->sequence, *payload});
    wanted = key->sequence + 1;
    --budget.records;
    budget.bytes -= std::min(budget.bytes, payload->size());
  }
  const absl::Status status = FromRocks(at->status(), "reading", space_->store.shown_directory());
  // Nothing more up to `last`: numbers in between were never used, or are deleted by now.
  if (status.ok()) wanted = std::max(wanted, last + 1);
  return status;
}

absl::Status RocksdbReader::Damaged(rocksdb::DB& db, const rocksdb::Status& status, TableId table,
                                    const TableUnit& unit) const {
  DamagedRange damage = PlaceOf(status, space_->store.shown_directory());
  damage.first = wanted_.at(table);
  damage.last = unit.last;
  AddLostRecords(db, space_->id, region_, table, damage);
  return DamageError(damage, kRemedy);
}

}  // namespace walden::rocks
