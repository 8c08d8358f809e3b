// When the records of one segment were appended, in little memory: groups that were appended at
// nearly the same time share an entry. Also some positions of groups, from which the exact group is
// found by reading the heads of groups (time_search.h). Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "engine/types.h"

namespace walden::segment {

class AppendTimes {
 public:
  // Entries of one segment at most.
  static constexpr size_t kMaxEntries = 32;

  // Positions of groups are kept about this far apart.
  static constexpr uint64_t kPlaceStepBytes = uint64_t{1} << 20;

  // Adds a group, or several at once: the position of the first one, the number of the last record,
  // the time of the last one. Groups come in log order; their times never go back.
  void Add(uint64_t begin, SequenceNumber last, int64_t unix_micros);

  // The time by which the record was appended: the time of its group, or of a later group that
  // shares its entry. The two are less than an eighth of the time apart that lies between the
  // segment's first and last group. None if the record's group was not added.
  std::optional<int64_t> AppendedBy(SequenceNumber sequence) const;

  // The highest number of which it is known that it was appended before this time, and all lower
  // ones too; 0: none is. Numbers up to the next group may have been too.
  SequenceNumber AppendedBefore(int64_t unix_micros) const;

  // The position of a group at or before the first one that was appended at this time or later.
  // Less than about kPlaceStepBytes, or one group, lie between the two. Needs a group.
  uint64_t PlaceBefore(int64_t unix_micros) const;

  // The time of the first group; none without groups.
  std::optional<int64_t> oldest() const {
    if (entries_.empty()) return std::nullopt;
    return entries_.front().begin_micros;
  }

  // The time of the last group; none without groups.
  std::optional<int64_t> newest() const {
    if (entries_.empty()) return std::nullopt;
    return entries_.back().end_micros;
  }

 private:
  struct Entry {
    SequenceNumber last = 0;  // of its last group
    int64_t begin_micros = 0;
    int64_t end_micros = 0;
  };

  // Whether an entry may reach from `begin_micros` to `end_micros`.
  bool FitsOne(int64_t begin_micros, int64_t end_micros) const {
    // Without overflow, whatever a file holds.
    return static_cast<uint64_t>(end_micros) - static_cast<uint64_t>(begin_micros) <= width_micros_;
  }
  void Widen();

  struct Place {
    uint64_t begin = 0;  // of a group that was appended at this time or before
    int64_t unix_micros = 0;
  };

  std::vector<Entry> entries_;
  std::vector<Place> places_;
  uint64_t width_micros_ = 0;  // that one entry may span
};

}  // namespace walden::segment
