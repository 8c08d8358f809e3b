// Limits the size of a batch to what a segment holds, since a batch is never split over segments.
// Pure; any thread.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "engine/segment/segment_header.h"

namespace walden::segment {

// Bytes of records that fit a new segment of `bytes` bytes as one group. Assumes the alignment of
// the newest segment if that has the same size, and otherwise the largest alignment.
uint64_t EmptySegmentRoom(const SegmentHeader& newest, uint64_t bytes);

// Bytes of records that fit the first segment of a new region at most: with the smallest alignment,
// which leaves the most room.
uint64_t LargestFirstSegmentRoom(uint64_t bytes);

// INVALID_ARGUMENT (LIMIT_EXCEEDED) if a batch of `bytes` encoded bytes is above `limit`.
absl::Status CheckBatchFits(uint64_t bytes, uint64_t limit);

}  // namespace walden::segment
