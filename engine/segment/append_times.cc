#include "engine/segment/append_times.h"

#include <algorithm>
#include <iterator>

namespace walden::segment {

void AppendTimes::Add(uint64_t begin, SequenceNumber last, int64_t unix_micros) {
  if (!entries_.empty()) unix_micros = std::max(unix_micros, entries_.back().end_micros);
  if (places_.empty() || begin - places_.back().begin >= kPlaceStepBytes) {
    places_.push_back({begin, unix_micros});
  }
  if (!entries_.empty() && FitsOne(entries_.back().begin_micros, unix_micros)) {
    entries_.back().last = last;
    entries_.back().end_micros = unix_micros;
    return;
  }
  entries_.push_back({last, unix_micros, unix_micros});
  while (entries_.size() > kMaxEntries) Widen();
}

// Doubles the span of an entry and joins neighbours that fit into one.
void AppendTimes::Widen() {
  width_micros_ = std::max<uint64_t>(1, 2 * width_micros_);
  size_t kept = 0;
  for (size_t i = 1; i < entries_.size(); ++i) {
    Entry& joined = entries_[kept];
    if (FitsOne(joined.begin_micros, entries_[i].end_micros)) {
      joined.last = entries_[i].last;
      joined.end_micros = entries_[i].end_micros;
    } else {
      entries_[++kept] = entries_[i];
    }
  }
  entries_.resize(kept + 1);
}

std::optional<int64_t> AppendTimes::AppendedBy(SequenceNumber sequence) const {
  const auto entry =
      std::lower_bound(entries_.begin(), entries_.end(), sequence,
                       [](const Entry& at, SequenceNumber wanted) { return at.last < wanted; });
  if (entry == entries_.end()) return std::nullopt;
  return entry->end_micros;
}

SequenceNumber AppendTimes::AppendedBefore(int64_t unix_micros) const {
  const auto behind = std::partition_point(entries_.begin(), entries_.end(), [&](const Entry& at) {
    return at.end_micros < unix_micros;
  });
  return behind == entries_.begin() ? 0 : std::prev(behind)->last;
}

uint64_t AppendTimes::PlaceBefore(int64_t unix_micros) const {
  const auto behind = std::partition_point(places_.begin(), places_.end(), [&](const Place& at) {
    return at.unix_micros < unix_micros;
  });
  return behind == places_.begin() ? behind->begin : std::prev(behind)->begin;
}

}  // namespace walden::segment
