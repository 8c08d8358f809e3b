#include "engine/segment/append_times.h"

#include <algorithm>

namespace walden::segment {

void AppendTimes::Add(SequenceNumber last, int64_t unix_micros) {
  if (!entries_.empty()) unix_micros = std::max(unix_micros, entries_.back().end_micros);
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

}  // namespace walden::segment
