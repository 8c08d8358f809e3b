// When the records of one segment were appended, in little memory: groups that were appended at
// nearly the same time share an entry. Not thread-safe.
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

  // Adds a group. Groups come in log order; their times never go back. `last` is the number of the
  // group's last record.
  void Add(SequenceNumber last, int64_t unix_micros);

  // The time by which the record was appended: the time of its group, or of a later group that
  // shares its entry. The two are less than an eighth of the time apart that lies between the
  // segment's first and last group. None if the record's group was not added.
  std::optional<int64_t> AppendedBy(SequenceNumber sequence) const;

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

  std::vector<Entry> entries_;
  uint64_t width_micros_ = 0;  // that one entry may span
};

}  // namespace walden::segment
