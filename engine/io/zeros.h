// Overwrites a part of a file with zeros.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "engine/io/file_system.h"

namespace walden {

// Writes zeros from `begin` up to `end`, or nothing if `end` is not above `begin`. Does not sync.
// Errors are those of File::Write.
absl::Status WriteZeros(File& file, uint64_t begin, uint64_t end);

}  // namespace walden
