// Searches a file for zeros: bytes that were never written. One thread at a time, as the
// FileWindow.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "engine/segment/file_window.h"

namespace walden::segment {

// One past the last byte of [begin, end) that is not zero; `begin` if all are.
absl::StatusOr<uint64_t> LastNonZero(FileWindow& window, uint64_t begin, uint64_t end);

// Whether one of the disk sectors that [begin, end) touches holds only zeros inside the range: such
// a sector was not written.
absl::StatusOr<bool> HasUnwrittenSector(FileWindow& window, uint64_t begin, uint64_t end);

}  // namespace walden::segment
