// Zero bytes over a part of a file.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "engine/io/file_system.h"

namespace walden {

// Writes zeros from `begin` up to `end`; nothing if that is not above. Not synced. Errors are those
// of File::Write.
absl::Status WriteZeros(File& file, uint64_t begin, uint64_t end);

}  // namespace walden
