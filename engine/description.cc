#include "engine/description.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "engine/log_engine.h"

namespace walden {
namespace {

using Part = DescribeCursor::Part;

constexpr size_t kItemsPerPage = 4096;

// Fills one page, part by part.
class PageCut {
 public:
  PageCut(const RegionDescription& whole, const DescribeCursor& from, size_t limit)
      : whole_(whole), from_(from), left_(limit) {}

  RegionPage Cut() {
    RegionDescription& shown = page_.description;
    shown.opening = whole_.opening;
    shown.opening.damaged.clear();
    shown.region_version = whole_.region_version;
    shown.allocated_bytes = whole_.allocated_bytes;
    shown.live_bytes = whole_.live_bytes;
    page_.next = from_;
    if (left_ == 0) return std::move(page_);
    if (from_.part == Part::kTables && !CutTables()) return std::move(page_);
    if (from_.part == Part::kDamage && !CutDamage()) return std::move(page_);
    if (CutSegments()) page_.next.reset();
    return std::move(page_);
  }

 private:
  bool CutTables() {
    auto it = std::lower_bound(
        whole_.tables.begin(), whole_.tables.end(), from_.from,
        [](const TableState& state, TableId table) { return state.table < table; });
    for (; it != whole_.tables.end(); ++it, --left_) {
      if (left_ == 0) return StopAt({Part::kTables, it->table, 0});
      page_.description.tables.push_back(*it);
    }
    from_ = {Part::kDamage, 0, 0};
    return true;
  }

  bool CutDamage() {
    const std::vector<DamagedRange>& damaged = whole_.opening.damaged;
    for (uint64_t i = from_.from; i < damaged.size(); ++i, --left_) {
      if (left_ == 0) return StopAt({Part::kDamage, i, 0});
      page_.description.opening.damaged.push_back(damaged[i]);
    }
    from_ = {Part::kSegments, 0, 0};
    return true;
  }

  bool CutSegments() {
    for (const SegmentDescription& segment : whole_.segments) {
      if (segment.id < from_.from) continue;
      const TableId first = segment.id == from_.from ? from_.table : 0;
      if (left_ == 0) return StopAt({Part::kSegments, segment.id, first});
      SegmentDescription shown = segment;
      shown.tables.clear();
      for (const SegmentTableRange& range : segment.tables) {
        if (range.table < first) continue;
        if (left_ == 0) {
          page_.description.segments.push_back(std::move(shown));
          return StopAt({Part::kSegments, segment.id, range.table});
        }
        shown.tables.push_back(range);
        --left_;
      }
      if (shown.tables.empty()) --left_;
      page_.description.segments.push_back(std::move(shown));
    }
    return true;
  }

  bool StopAt(const DescribeCursor& next) {
    page_.next = next;
    return false;
  }

  const RegionDescription& whole_;
  DescribeCursor from_;
  size_t left_;
  RegionPage page_;
};

template <typename Item>
void MoveBehind(std::vector<Item>& from, std::vector<Item>& to) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

}  // namespace

RegionPage PageOf(const RegionDescription& whole, const DescribeCursor& from, size_t limit) {
  return PageCut(whole, from, limit).Cut();
}

void AddPage(RegionPage page, RegionDescription& whole) {
  RegionDescription& more = page.description;
  MoveBehind(more.tables, whole.tables);
  std::vector<DamagedRange> damaged = std::move(whole.opening.damaged);
  MoveBehind(more.opening.damaged, damaged);
  whole.opening = std::move(more.opening);
  whole.opening.damaged = std::move(damaged);
  whole.region_version = more.region_version;
  whole.allocated_bytes = more.allocated_bytes;
  whole.live_bytes = more.live_bytes;
  for (SegmentDescription& segment : more.segments) {
    if (!whole.segments.empty() && whole.segments.back().id == segment.id) {
      MoveBehind(segment.tables, whole.segments.back().tables);
    } else {
      whole.segments.push_back(std::move(segment));
    }
  }
}

RegionDescription ReadableLog::Describe() const {
  RegionDescription whole;
  std::optional<DescribeCursor> from = DescribeCursor{};
  while (from.has_value()) {
    RegionPage page = DescribePage(*from, kItemsPerPage);
    from = page.next;
    AddPage(std::move(page), whole);
  }
  return whole;
}

}  // namespace walden
