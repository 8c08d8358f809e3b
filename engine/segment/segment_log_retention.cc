// Plans what retention deletes: the records of whole segments, the oldest first, never the newest
// one.
#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "engine/segment/published_log.h"
#include "engine/segment/segment_log.h"

namespace walden::segment {

std::vector<PublishedLog::Age> PublishedLog::Ages() const {
  absl::ReaderMutexLock lock(&mutex_);
  std::vector<Age> ages;
  ages.reserve(segments_.size());
  for (const auto& [id, segment] : segments_) {
    ages.push_back({.id = id,
                    .written_unix_micros = segment.written_unix_micros,
                    .records = segment.records,
                    .live_bytes = segment.index.LiveBytes()});
  }
  // Records that damage took are not younger than the first group of a later segment.
  int64_t later = INT64_MAX;
  auto age = ages.rbegin();
  for (auto it = segments_.rbegin(); it != segments_.rend(); ++it, ++age) {
    const auto& segment = it->second;
    if (!segment.damage.empty()) age->written_unix_micros = later;
    later = segment.append_times.oldest().value_or(later);
  }
  return ages;
}

RetentionPlan PublishedLog::PlanThrough(uint64_t segment_id) const {
  std::vector<uint64_t> ids;
  SequenceNumber damaged_through = 0;
  {
    absl::ReaderMutexLock lock(&mutex_);
    for (auto it = segments_.begin(); it != segments_.end() && it->first <= segment_id; ++it) {
      ids.push_back(it->first);
      for (const Damage& damage : it->second.damage)
        damaged_through = std::max(damaged_through, damage.last);
    }
  }
  RetentionPlan plan;
  std::map<TableId, SequenceNumber> through;
  for (const uint64_t id : ids) {
    ForEachTableOf(id, [&](TableId table, const Table& known, const SegmentIndex& index) {
      if (known.kind != TableKind::kLog) return;
      through[table] = known.Shown(index.LiveRange(table)->last);
      plan.records += index.LiveRecords(table);
      plan.bytes += index.LiveBytes(table);
    });
  }
  // Records that damage in these segments may have held are due too.
  if (damaged_through > 0) {
    ForEachTable([&](TableId table, const Table& known) {
      if (known.kind != TableKind::kLog || !known.known()) return;
      if (known.deleted_through >= damaged_through) return;
      SequenceNumber& mark = through[table];
      mark = std::max(mark, known.Shown(damaged_through));
    });
  }
  for (const auto& [table, number] : through) plan.marks.push_back({table, number});
  return plan;
}

absl::StatusOr<RetentionPlan> SegmentLog::PlanRetention(const RetentionLimits& limits,
                                                        absl::Time now) const {
  const std::vector<PublishedLog::Age> segments = published_->Ages();
  uint64_t bytes_left = 0;
  uint64_t records_left = 0;
  for (const PublishedLog::Age& segment : segments) {
    bytes_left += segment.live_bytes;
    records_left += segment.records;
  }
  std::optional<uint64_t> due;
  // All segments but the newest one are durable: each was synced when it was closed.
  for (size_t i = 0; i + 1 < segments.size(); ++i) {
    const PublishedLog::Age& segment = segments[i];
    bytes_left -= segment.live_bytes;
    records_left -= segment.records;
    bool goes = (limits.bytes > 0 && bytes_left >= limits.bytes) ||
                (limits.records > 0 && records_left >= limits.records);
    if (limits.age > absl::ZeroDuration()) {
      goes |= absl::FromUnixMicros(segment.written_unix_micros) < now - limits.age;
    }
    if (!goes) break;
    due = segment.id;
  }
  return due.has_value() ? published_->PlanThrough(*due) : RetentionPlan{};
}

}  // namespace walden::segment
