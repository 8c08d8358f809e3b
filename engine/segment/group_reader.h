// Reads and checks whole groups of a version 2 segment (format.h), and finds the next one after
// damage. One thread at a time, as the FileWindow.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "engine/segment/file_window.h"
#include "engine/segment/group_head.h"
#include "engine/segment/record_parser.h"
#include "engine/segment/segment_header.h"

namespace walden::segment {

// The result of reading a position where a group could begin.
struct GroupFound {
  std::optional<GroupHead> head;  // none: no group begins here, or its head is broken
  const char* broken = nullptr;   // why this is no whole group; null for a whole one

  bool whole() const { return broken == nullptr; }
};

// Called with each record of a group, in order. Returns null, or why the record cannot be there.
using GroupVisitor = absl::FunctionRef<const char*(const ParsedRecord& record, uint64_t position)>;

// Reads the group that begins at `offset`. Records are visited before the group is known to be
// whole. UNAVAILABLE on an I/O error.
absl::StatusOr<GroupFound> ReadGroup(FileWindow& window, const SegmentHeader& segment,
                                     uint64_t offset, GroupVisitor visit);

// Called with each record of a group that is not whole, in order. `broken` says why the record is
// not what was written; such a record has no payload. `broken` is null for a sound record.
using RecordVisitor =
    absl::FunctionRef<void(const ParsedRecord& record, uint64_t position, const char* broken)>;

// Reads a group that is not whole record by record. Needs sound headers of the records, which say
// where each record lies: returns false and visits none if their checksum in the head does not
// match.
absl::StatusOr<bool> ReadBrokenGroup(FileWindow& window, uint64_t offset, const GroupHead& head,
                                     RecordVisitor visit);

// The result of reading all positions in [from, end) where groups could begin.
struct GroupSearch {
  // The first whole group whose numbers are not below what is expected.
  struct Next {
    uint64_t offset = 0;
    SequenceNumber sequence = 0;
  };
  std::optional<Next> next;
  // The furthest position of this segment that some head says was durable, and the sequence number
  // of that head: what is expected at that position, or higher if groups were written during the sync.
  uint64_t durable_end = 0;
  SequenceNumber durable_next = 0;
  uint64_t metadata_append = 0;
  uint64_t metadata_append_at = 0;
};

// Looks at multiples of the alignment only. `stop_at_next`: does not look further than the next
// whole group.
absl::StatusOr<GroupSearch> SearchGroups(FileWindow& window, const SegmentHeader& segment,
                                         uint64_t from, uint64_t end, SequenceNumber expected,
                                         bool stop_at_next);

}  // namespace walden::segment
