#include "engine/segment/segment_index.h"

#include <algorithm>

namespace walden::segment {
namespace {

// The extent that holds `from`, or the first one past it.
std::vector<Extent>::const_iterator FirstReaching(const std::vector<Extent>& extents,
                                                  SequenceNumber from) {
  auto it = std::upper_bound(extents.begin(), extents.end(), from,
                             [](SequenceNumber n, const Extent& e) { return n < e.first; });
  return it == extents.begin() ? it : it - 1;
}

}  // namespace

void SegmentIndex::Add(const Run& run) {
  Table& table = tables_[run.table];
  if (table.live.last == 0) table.live.first = run.first;
  table.live.last = run.last;
  if (!table.extents.empty()) {
    Extent& newest = table.extents.back();
    if (newest.begin >= fence_ && run.begin - newest.end <= kMergeGapBytes &&
        run.end - newest.begin <= kMaxRunBytes) {
      newest.end = run.end;
      return;
    }
  }
  table.extents.push_back({run.first, run.begin, run.end});
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
    tables_.erase(it);
    return false;
  }
  if (first_live > entry.live.first) {
    entry.live.first = first_live;
    entry.extents.erase(entry.extents.begin(), FirstReaching(entry.extents, first_live));
  }
  return true;
}

std::vector<TableId> SegmentIndex::Tables() const {
  std::vector<TableId> ids;
  ids.reserve(tables_.size());
  for (const auto& [id, table] : tables_) ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  return ids;
}

uint64_t SegmentIndex::LiveBytes() const {
  uint64_t bytes = 0;
  for (const auto& [id, table] : tables_) {
    for (const Extent& extent : table.extents) bytes += extent.end - extent.begin;
  }
  return bytes;
}

void SegmentIndex::Seal() {
  for (auto& [id, table] : tables_) table.extents.shrink_to_fit();
}

}  // namespace walden::segment
