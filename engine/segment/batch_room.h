// How large a batch a segment takes. A batch is never split over segments. Pure; any thread.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "engine/segment/segment_header.h"

namespace walden::segment {

// Bytes of records that a new segment of `bytes` takes as one group. One that is like the newest has
// its alignment; of others the largest is assumed.
uint64_t EmptySegmentRoom(const SegmentHeader& newest, uint64_t bytes);

// The same of the first segment of a region that is yet to be made, with the smallest alignment: no
// disk gives it more room.
uint64_t LargestFirstSegmentRoom(uint64_t bytes);

// INVALID_ARGUMENT (LIMIT_EXCEEDED) if a batch of `bytes` encoded bytes is above `limit`.
absl::Status CheckBatchFits(uint64_t bytes, uint64_t limit);

}  // namespace walden::segment
