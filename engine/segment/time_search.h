// Finds a group by its append time, by reading the heads of groups (format.h).
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "engine/segment/segment_file.h"
#include "engine/types.h"

namespace walden::segment {

// Reads the heads of groups from `begin`, where a group begins, to `end`, and returns the number in
// the first head with this time or a later one. 0 if no head before it says that a group was
// appended earlier, if there is no such head, or if the bytes are damaged on the way there. Errors
// of SegmentFile::Open and OpenSegment::Read.
absl::StatusOr<SequenceNumber> FirstGroupSince(const SegmentFile& file, uint64_t begin,
                                               uint64_t end, int64_t unix_micros);

}  // namespace walden::segment
