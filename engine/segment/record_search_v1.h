// Searches a version 1 segment for the next record after bytes that are no record. The rules are in
// FORMAT.md, "Version 1". One thread at a time, as its FileWindow.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "engine/segment/file_window.h"
#include "engine/types.h"

namespace walden::segment::v1 {

struct FoundRecord {
  uint64_t offset = 0;
  SequenceNumber sequence = 0;
  bool barrier = false;
};

// Decides which records can follow damaged bytes.
struct Continuation {
  uint64_t damage_begin = 0;
  SequenceNumber expected = 1;  // number of the first damaged record, unless that one jumped
  SequenceNumber reserved = 0;  // the record may have jumped to the number after this one

  // The highest number that a record at `offset` can have, if records fill all bytes before it.
  SequenceNumber HighestAt(uint64_t offset) const;
};

// The next valid record in [from, window.end()) that can follow.
absl::StatusOr<std::optional<FoundRecord>> FindRecord(FileWindow& window, uint64_t from,
                                                      const Continuation& continuation);

// Whether some record at or after `from` has the barrier flag.
absl::StatusOr<bool> FindBarrier(FileWindow& window, uint64_t from,
                                 const Continuation& continuation);

}  // namespace walden::segment::v1
