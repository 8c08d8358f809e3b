#include "engine/rocksdb/published_tables.h"

#include <algorithm>
#include <utility>

namespace walden::rocks {

void TableUnits::Publish(const std::vector<Appended>& appended) {
  absl::MutexLock lock(&mutex_);
  ++publications_;
  for (const Appended& batch : appended) {
    TableUnit& unit = units_[batch.table];
    live_records_ -= LiveRecords(unit);
    unit.last = std::max(unit.last, batch.last);
    unit.kind = batch.kind;
    unit.bytes += batch.bytes;
    unit.deleted_through = std::max(unit.deleted_through, batch.deleted_through);
    unit.published = publications_;
    if (unit.first_live == 0) unit.first_live = batch.first;
    live_records_ += LiveRecords(unit);
  }
}

uint64_t TableUnits::RaiseMark(TableId table, SequenceNumber through, SequenceNumber first_live) {
  absl::MutexLock lock(&mutex_);
  TableUnit& unit = units_[table];
  const uint64_t live = LiveRecords(unit);
  live_records_ -= live;
  unit.deleted_through = std::max(unit.deleted_through, through);
  unit.last = std::max(unit.last, through);
  unit.first_live = first_live;
  const uint64_t left = LiveRecords(unit);
  live_records_ += left;
  const double share = live == 0 ? 0 : static_cast<double>(std::min(left, live)) / live;
  const uint64_t deleted = unit.bytes - static_cast<uint64_t>(unit.bytes * share);
  unit.bytes -= deleted;
  return deleted;
}

void TableUnits::Add(TableId table, const TableUnit& unit) {
  absl::MutexLock lock(&mutex_);
  TableUnit& known = units_[table];
  live_records_ -= LiveRecords(known);
  known = unit;
  live_records_ += LiveRecords(known);
}

void TableUnits::Replace(std::map<TableId, TableUnit> units) {
  absl::MutexLock lock(&mutex_);
  units_ = std::move(units);
  live_records_ = 0;
  for (const auto& [table, unit] : units_) live_records_ += LiveRecords(unit);
}

std::optional<TableUnit> TableUnits::Find(TableId table) const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto it = units_.find(table);
  if (it == units_.end()) return std::nullopt;
  return it->second;
}

std::optional<TableUnits::Named> TableUnits::AtOrBehind(TableId table) const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto it = units_.lower_bound(table);
  if (it == units_.end()) return std::nullopt;
  return Named{it->first, it->second};
}

void TableUnits::ForEach(absl::FunctionRef<void(TableId, const TableUnit&)> visit) const {
  constexpr int kTablesPerStep = 1024;
  for (std::optional<TableId> at = 0; at;) {
    absl::ReaderMutexLock lock(&mutex_);
    auto it = units_.lower_bound(*at);
    for (int i = 0; i < kTablesPerStep && it != units_.end(); ++i, ++it)
      visit(it->first, it->second);
    at = it == units_.end() ? std::nullopt : std::optional<TableId>(it->first);
  }
}

uint64_t TableUnits::publications() const {
  absl::ReaderMutexLock lock(&mutex_);
  return publications_;
}

// A record is published here before its number counts as used: under the lock the two agree.
SequenceNumber TableUnits::NextOf(TableId table, const TableUnit& unit) const {
  return std::max(numbers_.Next(table), unit.last + 1);
}

TablePosition TableUnits::Position(TableId table) const {
  absl::ReaderMutexLock lock(&mutex_);
  TablePosition position;
  const auto it = units_.find(table);
  if (it == units_.end()) {
    position.next = numbers_.Next(table);
    position.first = position.next;
    position.deleted_through = numbers_.ForeignMark(table);
    position.last = position.deleted_through;
    return position;
  }
  const TableUnit& unit = it->second;
  position.next = NextOf(table, unit);
  position.first = unit.first_live == 0 ? position.next : unit.first_live;
  position.deleted_through = unit.deleted_through;
  position.kind = unit.kind;
  position.last = unit.last;
  return position;
}

void TableUnits::AddTo(RegionUsage& usage) const {
  absl::ReaderMutexLock lock(&mutex_);
  usage.tables = units_.size();
  usage.live_records = live_records_;
}

std::vector<TableState> TableUnits::States(TableId from, size_t limit) const {
  // Tables that are copied while the mutex is held.
  constexpr size_t kSlice = 512;
  std::vector<TableState> states;
  while (states.size() < limit) {
    absl::ReaderMutexLock lock(&mutex_);
    auto it = units_.lower_bound(from);
    const size_t end = std::min(limit, states.size() + kSlice);
    for (; states.size() < end && it != units_.end(); ++it) {
      const auto& [table, unit] = *it;
      states.push_back({.table = table,
                        .next = NextOf(table, unit),
                        .deleted_through = unit.deleted_through,
                        .first_live = unit.first_live,
                        .last_live = unit.first_live == 0 ? 0 : unit.last,
                        .kind = unit.kind});
    }
    if (it == units_.end()) break;
    from = it->first;
  }
  return states;
}

}  // namespace walden::rocks
