#include "engine/rocksdb/published_tables.h"

#include <algorithm>
#include <utility>

#include "absl/time/time.h"
#include "engine/rocksdb/keys/key_format.h"

namespace walden::rocks {

void PublishedTables::Count(TableId table, const PublishedTable& published) {
  live_records_ += LiveRecords(published);
  if (published.first_live > 0 && published.times) {
    by_age_.emplace(published.times->oldest.unix_micros, table);
  }
}

void PublishedTables::Uncount(TableId table, const PublishedTable& published) {
  live_records_ -= LiveRecords(published);
  if (published.first_live > 0 && published.times) {
    by_age_.erase({published.times->oldest.unix_micros, table});
  }
}

void PublishedTables::Publish(const std::vector<Appended>& appended) {
  absl::MutexLock lock(&mutex_);
  ++publications_;
  for (const Appended& batch : appended) {
    PublishedTable& published = tables_[batch.table];
    Uncount(batch.table, published);
    published.last = std::max(published.last, batch.last);
    published.kind = batch.kind;
    published.bytes += batch.bytes;
    published.deleted_through = std::max(published.deleted_through, batch.deleted_through);
    published.publication = publications_;
    const bool was_empty = published.first_live == 0;
    if (was_empty) published.first_live = batch.first;
    if (batch.time) {
      // Without a live record before it the new key is the last one at or below the first live one.
      if (was_empty || !published.times) published.times = TimeSpan{*batch.time, *batch.time};
      published.times->newest = *batch.time;
    }
    Count(batch.table, published);
  }
}

void PublishedTables::NotDurable(const std::vector<Appended>& appended) {
  absl::MutexLock lock(&mutex_);
  for (const Appended& batch : appended) not_durable_.try_emplace(batch.table, batch.first);
}

void PublishedTables::AllDurable() {
  absl::MutexLock lock(&mutex_);
  not_durable_.clear();
}

uint64_t PublishedTables::RaiseMark(TableId table, SequenceNumber through,
                                    SequenceNumber first_live,
                                    const std::optional<TimePoint>& oldest_time) {
  absl::MutexLock lock(&mutex_);
  PublishedTable& published = tables_[table];
  const uint64_t live = LiveRecords(published);
  Uncount(table, published);
  published.deleted_through = std::max(published.deleted_through, through);
  published.last = std::max(published.last, through);
  published.first_live = first_live;
  if (published.times && oldest_time) published.times->oldest = *oldest_time;
  const uint64_t left = LiveRecords(published);
  Count(table, published);
  const double share = live == 0 ? 0 : static_cast<double>(std::min(left, live)) / live;
  const uint64_t deleted = published.bytes - static_cast<uint64_t>(published.bytes * share);
  published.bytes -= deleted;
  return deleted;
}

void PublishedTables::Add(TableId table, const PublishedTable& published) {
  absl::MutexLock lock(&mutex_);
  PublishedTable& known = tables_[table];
  Uncount(table, known);
  known = published;
  Count(table, known);
}

void PublishedTables::Replace(std::map<TableId, PublishedTable> tables) {
  absl::MutexLock lock(&mutex_);
  tables_ = std::move(tables);
  live_records_ = 0;
  by_age_.clear();
  for (const auto& [table, published] : tables_) Count(table, published);
}

std::optional<PublishedTable> PublishedTables::Find(TableId table) const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto it = tables_.find(table);
  if (it == tables_.end()) return std::nullopt;
  return it->second;
}

std::optional<PublishedTables::Named> PublishedTables::AtOrBehind(TableId table) const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto it = tables_.lower_bound(table);
  if (it == tables_.end()) return std::nullopt;
  return Named{it->first, it->second};
}

void PublishedTables::ForEach(absl::FunctionRef<void(TableId, const PublishedTable&)> visit) const {
  constexpr int kTablesPerStep = 1024;
  for (std::optional<TableId> at = 0; at;) {
    absl::ReaderMutexLock lock(&mutex_);
    auto it = tables_.lower_bound(*at);
    for (int i = 0; i < kTablesPerStep && it != tables_.end(); ++i, ++it)
      visit(it->first, it->second);
    at = it == tables_.end() ? std::nullopt : std::optional<TableId>(it->first);
  }
}

uint64_t PublishedTables::publications() const {
  absl::ReaderMutexLock lock(&mutex_);
  return publications_;
}

// A record is published before the allocator counts its number as used, so the next number is the
// higher of the two.
SequenceNumber PublishedTables::NextOf(TableId table, const PublishedTable& published) const {
  return std::max(allocator_.Next(table), published.last + 1);
}

TablePosition PublishedTables::Position(TableId table) const {
  absl::ReaderMutexLock lock(&mutex_);
  TablePosition position;
  const auto it = tables_.find(table);
  if (it == tables_.end()) {
    position.next = allocator_.Next(table);
    position.first = position.next;
    position.deleted_through = allocator_.ForeignMark(table);
    position.last = position.deleted_through;
    position.durable_through = position.last;
    return position;
  }
  const PublishedTable& published = it->second;
  position.next = NextOf(table, published);
  position.first = published.first_live == 0 ? position.next : published.first_live;
  position.deleted_through = published.deleted_through;
  position.kind = published.kind;
  position.last = published.last;
  const auto waiting = not_durable_.find(table);
  position.durable_through = waiting == not_durable_.end() ? published.last : waiting->second - 1;
  return position;
}

void PublishedTables::AddTo(RegionUsage& usage, int64_t now_unix_micros) const {
  absl::ReaderMutexLock lock(&mutex_);
  usage.tables = tables_.size();
  usage.live_records = live_records_;
  usage.oldest = Oldest(now_unix_micros);
}

std::optional<OldestRecord> PublishedTables::Oldest(int64_t now_unix_micros) const {
  if (by_age_.empty()) return std::nullopt;
  const TableId table = by_age_.begin()->second;
  const PublishedTable& published = tables_.at(table);
  const TimePoint& time = published.times->oldest;
  int64_t appended_by = time.unix_micros;
  // Of a record after the key's it is only known that it came less than a step later.
  if (published.first_live > time.first) {
    appended_by =
        std::max(appended_by, std::min(appended_by + kAppendTimeStepMicros - 1, now_unix_micros));
  }
  const absl::Duration age = absl::Microseconds(now_unix_micros - appended_by);
  return OldestRecord{.table = table,
                      .sequence = published.first_live,
                      .age = std::max(age, absl::ZeroDuration()),
                      .appended_unix_micros = appended_by};
}

std::vector<TableState> PublishedTables::States(TableId from, size_t limit) const {
  // Tables that are copied while the mutex is held.
  constexpr size_t kSlice = 512;
  std::vector<TableState> states;
  while (states.size() < limit) {
    absl::ReaderMutexLock lock(&mutex_);
    auto it = tables_.lower_bound(from);
    const size_t end = std::min(limit, states.size() + kSlice);
    for (; states.size() < end && it != tables_.end(); ++it) {
      const auto& [table, published] = *it;
      states.push_back({.table = table,
                        .next = NextOf(table, published),
                        .deleted_through = published.deleted_through,
                        .first_live = published.first_live,
                        .last_live = published.first_live == 0 ? 0 : published.last,
                        .kind = published.kind});
    }
    if (it == tables_.end()) break;
    from = it->first;
  }
  return states;
}

}  // namespace walden::rocks
