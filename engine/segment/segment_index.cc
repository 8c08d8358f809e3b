#include "engine/segment/segment_index.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace walden::segment {
namespace {

// The first extent that may hold `from` or a higher number.
std::vector<Extent>::const_iterator FirstReaching(const std::vector<Extent>& extents,
                                                  SequenceNumber from) {
  auto it = std::upper_bound(extents.begin(), extents.end(), from,
                             [](SequenceNumber n, const Extent& e) { return n < e.first; });
  return it == extents.begin() ? it : it - 1;
}

uint64_t SpannedBytes(std::vector<Extent>::const_iterator begin,
                      std::vector<Extent>::const_iterator end) {
  return std::accumulate(begin, end, uint64_t{0},
                         [](uint64_t sum, const Extent& e) { return sum + (e.end - e.begin); });
}

}  // namespace

void SegmentIndex::Add(const Run& run) {
  Table& table = tables_[run.table];
  if (table.live.last == 0) {
    table.live.first = run.first;
    ids_.insert(run.table);
  }
  table.live.last = run.last;
  const uint64_t records = run.last - run.first + 1;
  table.records += records;
  live_records_ += records;
  const uint32_t bytes = run.end - run.begin;
  table.bytes += bytes;
  live_bytes_ += bytes;
  Extent* const newest = table.extents.empty() ? nullptr : &table.extents.back();
  if (newest != nullptr && newest->begin >= fence_ && run.begin - newest->end <= kMergeGapBytes &&
      run.end - newest->begin <= kMaxRunBytes) {
    newest->end = run.end;
  } else {
    table.extents.push_back({run.first, run.begin, run.end});
    ++extents_;
  }
}

std::optional<SegmentIndex::Range> SegmentIndex::LiveRange(TableId table) const {
  const auto it = tables_.find(table);
  if (it == tables_.end()) return std::nullopt;
  return it->second.live;
}

std::vector<Extent> SegmentIndex::ExtentsFrom(TableId table, SequenceNumber from,
                                              size_t limit) const {
  const auto it = tables_.find(table);
  if (it == tables_.end()) return {};
  const std::vector<Extent>& extents = it->second.extents;
  const auto begin = FirstReaching(extents, from);
  const auto count = std::min<size_t>(limit, static_cast<size_t>(extents.end() - begin));
  return {begin, begin + static_cast<std::ptrdiff_t>(count)};
}

bool SegmentIndex::RaiseFirst(TableId table, SequenceNumber first_live) {
  const auto it = tables_.find(table);
  if (it == tables_.end()) return false;
  Table& entry = it->second;
  if (first_live > entry.live.last) {
    live_bytes_ -= entry.bytes;
    live_records_ -= entry.records;
    extents_ -= entry.extents.size();
    tables_.erase(it);
    ids_.erase(table);
    return false;
  }
  if (first_live > entry.live.first) CutTo(entry, first_live);
  return true;
}

void SegmentIndex::CutTo(Table& table, SequenceNumber first_live) {
  const auto kept = FirstReaching(table.extents, first_live);
  const double share =
      static_cast<double>(SpannedBytes(kept, table.extents.cend())) /
      static_cast<double>(SpannedBytes(table.extents.cbegin(), table.extents.cend()));
  extents_ -= static_cast<uint64_t>(kept - table.extents.cbegin());
  table.extents.erase(table.extents.begin(), kept);
  table.live.first = first_live;
  const auto bytes = static_cast<uint64_t>(static_cast<double>(table.bytes) * share);
  live_bytes_ -= table.bytes - bytes;
  table.bytes = bytes;
  // The table has at most as many records as numbers in its live range.
  const auto estimate = static_cast<uint64_t>(static_cast<double>(table.records) * share);
  const uint64_t records =
      std::clamp<uint64_t>(estimate, 1, table.live.last - table.live.first + 1);
  live_records_ -= table.records - std::min(records, table.records);
  table.records = std::min(records, table.records);
}

uint64_t SegmentIndex::LiveBytes(TableId table) const {
  const auto it = tables_.find(table);
  return it == tables_.end() ? 0 : it->second.bytes;
}

uint64_t SegmentIndex::LiveRecords(TableId table) const {
  const auto it = tables_.find(table);
  return it == tables_.end() ? 0 : it->second.records;
}

void SegmentIndex::Coarsen() {
  for (auto& [id, table] : tables_) {
    std::vector<Extent>& extents = table.extents;
    if (extents.size() < 2) continue;
    std::vector<Extent> coarse;
    coarse.reserve((extents.size() + 1) / 2);
    for (size_t i = 0; i < extents.size(); i += 2) {
      coarse.push_back(extents[i]);
      if (i + 1 < extents.size()) coarse.back().end = extents[i + 1].end;
    }
    extents_ -= extents.size() - coarse.size();
    extents = std::move(coarse);
  }
}

void SegmentIndex::Seal() {
  for (auto& [id, table] : tables_) table.extents.shrink_to_fit();
}

}  // namespace walden::segment
