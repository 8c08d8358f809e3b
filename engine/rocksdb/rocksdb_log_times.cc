// Append times: keys that are written with the records, seeks by them, and retention by age
// (FORMAT.md: append times).
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/rocksdb/keys/key_codec.h"
#include "engine/rocksdb/keys/table_seek.h"
#include "engine/rocksdb/options/rocksdb_errors.h"
#include "engine/rocksdb/rocksdb_log.h"

namespace walden::rocks {
namespace {

// Keys hold no time before 1970.
uint64_t KeyTime(int64_t unix_micros) {
  return static_cast<uint64_t>(std::max<int64_t>(unix_micros, 0));
}

// Walks the keys of the append times of one region.
class TimeKeys {
 public:
  TimeKeys(rocksdb::DB& db, std::string begin, std::string end, const std::string& shown_directory)
      : at_(db, std::move(begin), std::move(end)), shown_(shown_directory) {}

  void SeekToFirst(RegionId region, TableId table) {
    at_->Seek(MetaBegin(KeyType::kAppendTime, region, table));
  }
  void SeekToLast(RegionId region, TableId table) {
    at_->SeekForPrev(MetaEnd(KeyType::kAppendTime, region, table));
  }
  void SeekToLastThrough(const AppendTime& time) { at_->SeekForPrev(AppendTimeEntry(time).key); }
  void Next() { at_->Next(); }

  // The key here, or none where the table's keys end.
  absl::StatusOr<std::optional<TimePoint>> Here(TableId table) {
    if (!at_->Valid()) {
      const absl::Status status = FromRocks(at_->status(), "reading append times", shown_);
      if (!status.ok()) return status;
      return std::nullopt;
    }
    const auto time = DecodeAppendTime(at_.key(), at_.value());
    if (!time) return UnknownBytes(at_.key(), shown_);
    if (time->table != table) return std::nullopt;
    return TimePoint{static_cast<int64_t>(time->unix_micros), time->first};
  }

 private:
  BoundedIterator at_;
  const std::string& shown_;
};

Entry TimeEntry(RegionId region, TableId table, const TimePoint& time) {
  return AppendTimeEntry({.region = region,
                          .table = table,
                          .unix_micros = KeyTime(time.unix_micros),
                          .first = time.first});
}

}  // namespace

std::optional<TimePoint> RocksdbLog::StageTime(TableId table, SequenceNumber first) {
  // All batches of a group have the same time.
  if (staged_last_.contains(table)) return std::nullopt;
  TimePoint time{std::max<int64_t>(group_unix_micros_, 0), first};
  const std::optional<PublishedTable> published = tables_->Find(table);
  // The key bounds the records before it too, which another program may have appended.
  if (published && !published->times && published->first_live > 0) {
    time.unix_micros = std::max(time.unix_micros, space_->database.last_written_unix_micros());
  }
  if (published && published->times &&
      time.unix_micros - published->times->newest.unix_micros < kAppendTimeStepMicros) {
    return std::nullopt;
  }
  // Without live records the key before it bounds none.
  if (published && published->times && published->first_live == 0) {
    batch_.Delete(TimeEntry(region_, table, published->times->newest).key);
  }
  const Entry entry = TimeEntry(region_, table, time);
  batch_.Put(entry.key, entry.value);
  return time;
}

absl::Status RocksdbLog::LoadTimes(std::map<TableId, PublishedTable>& tables) {
  absl::Status status =
      space_->database.With([&](rocksdb::DB& db) { return FindTimes(db, tables); });
  if (!status.ok()) return status;
  // The clock may be behind the one by which the records were appended.
  const int64_t by = std::max({space_->database.environment().wall_clock->UnixMicros(),
                               space_->database.last_written_unix_micros(), int64_t{0}});
  rocksdb::WriteBatch batch = space_->database.NewBatch();
  std::vector<PublishedTable*> bounded;
  for (auto& [table, published] : tables) {
    if (published.times || published.first_live == 0) continue;
    const TimePoint time{by, published.last + 1};
    const Entry entry = TimeEntry(region_, table, time);
    batch.Put(entry.key, entry.value);
    published.times = TimeSpan{time, time};
    bounded.push_back(&published);
  }
  if (bounded.empty()) return absl::OkStatus();
  status = space_->database.CheckRoom(0);
  if (status.ok()) status = space_->database.Write(generation_, batch, /*sync=*/true);
  if (!absl::IsResourceExhausted(status)) return status;
  // Without room for the keys the next opening writes them.
  for (PublishedTable* published : bounded) published->times.reset();
  return absl::OkStatus();
}

absl::Status RocksdbLog::FindTimes(rocksdb::DB& db,
                                   std::map<TableId, PublishedTable>& tables) const {
  TimeKeys keys(db, MetaBegin(KeyType::kAppendTime, region_),
                MetaEnd(KeyType::kAppendTime, region_), space_->database.shown_directory());
  for (auto& [table, published] : tables) {
    keys.SeekToLast(region_, table);
    const auto newest = keys.Here(table);
    if (!newest.ok()) return newest.status();
    if (!*newest) continue;
    published.times = TimeSpan{**newest, **newest};
    if (published.first_live == 0) continue;
    keys.SeekToFirst(region_, table);
    for (bool is_first = true;; is_first = false) {
      const auto time = keys.Here(table);
      if (!time.ok()) return time.status();
      if (!*time || (!is_first && (*time)->first > published.first_live)) break;
      published.times->oldest = **time;
      keys.Next();
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<RocksdbLog::PassedTimes> RocksdbLog::TimesPassed(TableId table,
                                                                SequenceNumber first_live) const {
  PassedTimes passed;
  const std::optional<PublishedTable> published = tables_->Find(table);
  if (!published || !published->times) return passed;
  const absl::Status status = space_->database.With([&](rocksdb::DB& db) -> absl::Status {
    TimeKeys keys(db, TimeEntry(region_, table, published->times->oldest).key,
                  MetaEnd(KeyType::kAppendTime, region_, table),
                  space_->database.shown_directory());
    for (keys.SeekToFirst(region_, table);; keys.Next()) {
      const auto time = keys.Here(table);
      if (!time.ok()) return time.status();
      // The last key at or below the first live record stays, or else the newest key.
      if (!*time || (passed.oldest && first_live > 0 && (*time)->first > first_live)) break;
      if (passed.oldest) passed.keys.push_back(TimeEntry(region_, table, *passed.oldest).key);
      passed.oldest = **time;
    }
    return absl::OkStatus();
  });
  // Reads report the damage; the mark does not depend on it.
  if (absl::IsDataLoss(status)) return PassedTimes{};
  if (!status.ok()) return status;
  return passed;
}

absl::Status RocksdbLog::NumberSince(rocksdb::DB& db, TableId table, const TimeSpan& times,
                                     int64_t unix_micros, SequenceNumber* since) const {
  *since = 0;
  if (unix_micros <= times.oldest.unix_micros) return absl::OkStatus();
  TimeKeys keys(db, TimeEntry(region_, table, times.oldest).key,
                MetaEnd(KeyType::kAppendTime, region_, table), space_->database.shown_directory());
  keys.SeekToLastThrough(
      {.region = region_, .table = table, .unix_micros = KeyTime(unix_micros - 1)});
  const auto before = keys.Here(table);
  if (!before.ok() || !*before) return before.status();
  *since = (*before)->first;
  if (unix_micros - (*before)->unix_micros < kAppendTimeStepMicros) return absl::OkStatus();
  // All records between this key and the next one were appended before.
  keys.Next();
  const auto behind = keys.Here(table);
  if (!behind.ok()) return behind.status();
  *since = *behind ? (*behind)->first : kMaxSequenceNumber;
  return absl::OkStatus();
}

absl::StatusOr<SequenceNumber> RocksdbLog::FirstSince(TableId table, absl::Time time) const {
  // Later appends get at least this number.
  const SequenceNumber next = tables_->Position(table).next;
  const std::optional<PublishedTable> published = tables_->Find(table);
  if (!published || published->first_live == 0) return next;
  if (!published->times) return published->first_live;
  SequenceNumber since = 0;
  const absl::Status status = space_->database.With([&](rocksdb::DB& db) {
    absl::Status found =
        NumberSince(db, table, *published->times, absl::ToUnixMicros(time), &since);
    if (!found.ok() || since <= published->first_live || since >= next) return found;
    const SequenceNumber bound = since;
    found = FirstRecordAbove(db, {space_->id, region_, table, bound - 1},
                             space_->database.shown_directory(), &since);
    if (absl::IsDataLoss(found)) {
      // A reader from the bound reports the damage.
      since = bound;
      return absl::OkStatus();
    }
    if (since == 0) since = next;
    return found;
  });
  if (!status.ok()) return status;
  return std::min(std::max(since, published->first_live), next);
}

absl::StatusOr<RetentionPlan> RocksdbLog::PlanRetention(const RetentionLimits& limits,
                                                        absl::Time now) const {
  if (limits.bytes > 0) {
    return MakeError(absl::StatusCode::kInvalidArgument, ErrorReason::kInvalidField,
                     "engine rocksdb does not know the bytes of a region's records: use "
                     "retention_records or retention_age",
                     {{"field", "retention_bytes"}});
  }
  RetentionPlan plan;
  // A mark is written with a sync, which makes the records that it deletes durable.
  for (const TableState& table : tables_->States(0, SIZE_MAX)) {
    if (table.kind != TableKind::kLog || table.first_live == 0) continue;
    SequenceNumber through = 0;
    if (limits.records > 0 && table.last_live - table.first_live >= limits.records) {
      through = table.last_live - limits.records;
    }
    if (limits.age > absl::ZeroDuration()) {
      const auto kept = FirstSince(table.table, now - limits.age);
      if (!kept.ok()) return kept.status();
      through = std::max(through, std::min(*kept - 1, table.last_live));
    }
    if (through < table.first_live) continue;
    plan.marks.push_back({table.table, through});
    plan.records += through - table.first_live + 1;
  }
  return plan;
}

}  // namespace walden::rocks
