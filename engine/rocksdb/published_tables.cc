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
    PublishedTable& published = Of(batch.table);
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
  PublishedTable& published = Of(table);
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
  PublishedTable& known = Of(table);
  Uncount(table, known);
  known = published;
  Count(table, known);
}

void PublishedTables::Replace(std::map<TableId, PublishedTable> tables) {
  absl::MutexLock lock(&mutex_);
  for (const auto& [table, published] : tables_) cuts_.BeforeChange(table, &published);
  for (const auto& [table, published] : tables) {
    if (!tables_.contains(table)) cuts_.BeforeChange(table, nullptr);
  }
  tables_ = std::move(tables);
  live_records_ = 0;
  by_age_.clear();
  for (const auto& [table, published] : tables_) Count(table, published);
}

PublishedTable& PublishedTables::Of(TableId table) {
  const auto [it, is_new] = tables_.try_emplace(table);
  cuts_.BeforeChange(table, is_new ? nullptr : &it->second);
  return it->second;
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

TableState PublishedTables::StateOf(TableId table, const PublishedTable& published) const {
  const auto waiting = not_durable_.find(table);
  const SequenceNumber waits_from =
      waiting == not_durable_.end() ? published.last + 1 : waiting->second;
  return {.table = table,
          .next = NextOf(table, published),
          .deleted_through = published.deleted_through,
          .first_live = published.first_live,
          .last_live = published.first_live == 0 ? 0 : published.last,
          .kind = published.kind,
          .durable_through = std::min(published.last, waits_from - 1)};
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
      states.push_back(StateOf(table, published));
    }
    if (it == tables_.end()) break;
    from = it->first;
  }
  return states;
}

std::unique_ptr<PublishedTables::Cut> PublishedTables::NewCut(
    std::shared_ptr<const PublishedTables> tables) {
  return std::make_unique<Cut>(std::move(tables));
}

PublishedTables::Cut::Cut(std::shared_ptr<const PublishedTables> tables)
    : tables_(std::move(tables)) {
  absl::MutexLock lock(&tables_->mutex_);
  tables_->cuts_.Begin(&copy_);
}

PublishedTables::Cut::~Cut() {
  absl::MutexLock lock(&tables_->mutex_);
  tables_->cuts_.End(&copy_);
}

std::vector<TableState> PublishedTables::Cut::Next(size_t limit) {
  std::vector<TableState> states;
  while (states.size() < limit) {
    const bool more =
        VisitNext(limit - states.size(), [&](TableId table, const PublishedTable& published)
                                             ABSL_NO_THREAD_SAFETY_ANALYSIS {
                                               states.push_back(tables_->StateOf(table, published));
                                             });
    if (!more) break;
  }
  return states;
}

bool PublishedTables::Cut::VisitNext(
    size_t limit, absl::FunctionRef<void(TableId, const PublishedTable&)> visit) {
  // Tables that are copied while the mutex is held.
  constexpr size_t kSlice = 512;
  absl::MutexLock lock(&tables_->mutex_);
  if (copy_.is_done) return false;
  auto it = tables_->tables_.lower_bound(copy_.from);
  for (size_t left = std::min(limit, kSlice); left > 0 && it != tables_->tables_.end();
       --left, ++it) {
    const PublishedTable* const at = copy_.At(it->first, it->second);
    if (at != nullptr) visit(it->first, *at);
  }
  const bool is_end = it == tables_->tables_.end();
  copy_.MoveTo(is_end ? std::nullopt : std::optional<TableId>(it->first));
  return true;
}

}  // namespace walden::rocks
