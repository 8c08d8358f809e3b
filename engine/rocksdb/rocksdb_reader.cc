#include "engine/rocksdb/rocksdb_reader.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "base/error.h"
#include "engine/log_errors.h"
#include "engine/rocksdb/keys/key_codec.h"
#include "engine/rocksdb/options/rocksdb_errors.h"

namespace walden::rocks {
namespace {

constexpr absl::string_view kRemedy = "Read from after the range, or mark it deleted";

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

absl::StatusOr<SequenceNumber> StoredMark(rocksdb::DB& db, RegionId region, TableId table,
                                          const std::string& shown_directory) {
  const std::string key = TableEntry({.region = region, .table = table}).key;
  std::string value;
  const rocksdb::Status status = db.Get(rocksdb::ReadOptions(), key, &value);
  if (status.IsNotFound()) return 0;
  if (!status.ok()) return FromRocks(status, "reading", shown_directory);
  const auto stored = DecodeTable(key, value);
  if (!stored) return UnknownBytes(key, shown_directory);
  return stored->deleted_through;
}

RocksdbReader::RocksdbReader(std::shared_ptr<const NamespaceState> space, RegionId region,
                             std::shared_ptr<const PublishedTables> tables, const ReadRange& range)
    : space_(std::move(space)), region_(region), tables_(std::move(tables)), range_(range) {
  if (range_.table) {
    const SequenceNumber left = tables_->Position(*range_.table).deleted_through + 1;
    wanted_[*range_.table] = range_.first == 0 ? left : range_.first;
    return;
  }
  tables_->ForEach([this](TableId table, const PublishedTable& published) {
    if (published.deleted_through > 0) marks_[table] = published.deleted_through;
  });
}

void RocksdbReader::EndHere() {
  ends_.emplace();
  if (range_.table) {
    if (const auto published = tables_->Find(*range_.table))
      (*ends_)[*range_.table] = published->last;
    return;
  }
  const auto cut = PublishedTables::NewCut(tables_);
  while (cut->VisitNext(SIZE_MAX, [this](TableId table, const PublishedTable& published) {
    (*ends_)[table] = published.last;
  })) {
  }
}

SequenceNumber& RocksdbReader::Wanted(TableId table) {
  const auto known = wanted_.find(table);
  if (known != wanted_.end()) return known->second;
  const auto mark = marks_.find(table);
  const SequenceNumber left = mark == marks_.end() ? 1 : mark->second + 1;
  return wanted_.emplace(table, std::max(range_.first, left)).first->second;
}

SequenceNumber RocksdbReader::LastOf(TableId table, const PublishedTable& published) const {
  SequenceNumber last = std::min(range_.last, published.last);
  if (!ends_) return last;
  const auto end = ends_->find(table);
  return end == ends_->end() ? 0 : std::min(last, end->second);
}

absl::StatusOr<ReadProgress> RocksdbReader::Gone(TableId table, SequenceNumber through,
                                                 const Budget& budget) {
  if (!range_.skip_deleted) {
    return RecordsGone(table, std::max(tables_->Position(table).first, through + 1));
  }
  if (budget.visited) return ReadProgress::kMore;
  Wanted(table) = through + 1;
  return ReadProgress::kSkipped;
}

absl::StatusOr<ReadProgress> RocksdbReader::Next(const ReadLimits& limits,
                                                 absl::FunctionRef<void(const RecordView&)> visit) {
  Budget budget{limits.max_records, limits.max_payload_bytes, limits.max_record_bytes, visit};
  absl::StatusOr<ReadProgress> progress = ReadProgress::kAtEnd;
  const absl::Status status = space_->database.With([&](rocksdb::DB& db) {
    progress = Walk(db, budget);
    return absl::OkStatus();
  });
  return status.ok() ? progress : status;
}

absl::StatusOr<ReadProgress> RocksdbReader::Walk(rocksdb::DB& db, Budget& budget) {
  std::optional<BoundedIterator> at;
  uint64_t at_publication = 0;  // of `at`, which sees everything published by then
  // A reader of one table walks over this table only.
  if (range_.table) turn_ = *range_.table;
  const TableId begin = turn_;
  for (bool wrapped = false;;) {
    if (budget.too_large) return ReadProgress::kTooLarge;
    const auto named = tables_->AtOrBehind(turn_);
    if (!named || (range_.table && named->table != *range_.table)) {
      if (range_.table || wrapped || begin == 0) break;
      wrapped = true;  // now the tables before the first one
      turn_ = 0;
      continue;
    }
    if (wrapped && named->table >= begin) break;
    SequenceNumber& wanted = Wanted(named->table);
    turn_ = named->table;
    const SequenceNumber last = LastOf(turn_, named->published);
    // A reader of one table asks for its whole range, a reader of all tables for the records that
    // there are.
    const SequenceNumber asked = range_.table && !ends_ ? range_.last : last;
    if (wanted <= std::min(named->published.deleted_through, asked)) {
      return Gone(turn_, named->published.deleted_through, budget);
    }
    if (wanted <= last) {
      if (budget.spent()) return ReadProgress::kMore;
      if (!at || named->published.publication > at_publication) {
        at_publication = tables_->publications();
        at.emplace(
            db,
            range_.table ? TableBegin(space_->id, region_, turn_)
                         : RegionBegin(space_->id, region_),
            range_.table ? TableEnd(space_->id, region_, turn_) : RegionEnd(space_->id, region_));
      }
      const absl::Status status = ReadTable(db, *at, turn_, last, budget);
      if (!status.ok()) {
        const bool is_stored_damage = IsDamage((*at)->status());
        return is_stored_damage ? Damaged(db, (*at)->status(), turn_, named->published) : status;
      }
      if (budget.gone) {
        const auto mark = StoredMark(db, region_, turn_, space_->database.shown_directory());
        return mark.ok() ? Gone(turn_, *mark, budget) : mark.status();
      }
      continue;
    }
    if (range_.table) {
      return wanted > range_.last || ends_ ? ReadProgress::kFinished : ReadProgress::kAtEnd;
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
  return ends_ ? ReadProgress::kFinished : ReadProgress::kAtEnd;
}

absl::Status RocksdbReader::ReadTable(rocksdb::DB& db, BoundedIterator& at, TableId table,
                                      SequenceNumber last, Budget& budget) {
  SequenceNumber& wanted = Wanted(table);
  // Numbers without records were never used, or their records were deleted after the published
  // table was looked up. The mark in the database decides.
  const auto passes = [&](SequenceNumber to) -> absl::Status {
    if (to == wanted) return absl::OkStatus();
    const auto mark = StoredMark(db, region_, table, space_->database.shown_directory());
    if (!mark.ok()) return mark.status();
    budget.gone = *mark >= wanted;
    return absl::OkStatus();
  };
  const std::string begin = EncodeLogKey({space_->id, region_, table, wanted});
  for (at->Seek(begin); at->Valid(); at->Next()) {
    const auto key = DecodeLogKey(at.key());
    if (!key) return UnknownBytes(at.key(), space_->database.shown_directory());
    if (key->table != table || key->sequence > last) break;
    const auto payload = DecodeLogValue(at.value());
    if (!payload) return UnknownBytes(at.key(), space_->database.shown_directory());
    if (budget.spent()) return absl::OkStatus();
    const absl::Status passed = passes(key->sequence);
    if (!passed.ok() || budget.gone) return passed;
    if (payload->size() > budget.largest_record) {
      budget.too_large = true;
      too_large_bytes_ = payload->size();
      too_large_sequence_ = key->sequence;
      return absl::OkStatus();
    }
    budget.visited = true;
    budget.visit({table, key->sequence, *payload});
    wanted = key->sequence + 1;
    --budget.records;
    budget.bytes -= std::min(budget.bytes, payload->size());
  }
  absl::Status status = FromRocks(at->status(), "reading", space_->database.shown_directory());
  if (status.ok()) status = passes(std::max(wanted, last + 1));
  if (status.ok() && !budget.gone) wanted = std::max(wanted, last + 1);
  return status;
}

absl::Status RocksdbReader::Damaged(rocksdb::DB& db, const rocksdb::Status& status, TableId table,
                                    const PublishedTable& published) const {
  DamagedRange damage = PlaceOf(status, space_->database.shown_directory());
  damage.first = wanted_.at(table);  // earlier records were read
  damage.last = published.last;
  AddLostRecords(db, space_->id, region_, table, damage);
  return DamageError(damage, kRemedy);
}

}  // namespace walden::rocks
