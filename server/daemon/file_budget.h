// Divides the number of files that the process may have open.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"

namespace walden {

struct FileBudget {
  uint32_t max_open_regions = 0;
  uint32_t max_connections = 0;  // 0: no limit
};

// Returns limits for `permitted` open files, none of them above `wanted`; all of `wanted` if it
// fits. The daemon's own files come first. At most half of the rest is for connections, and regions
// get what is left. RESOURCE_EXHAUSTED (TOO_MANY_FILES) names what is needed if not even one region
// and one connection fit.
absl::StatusOr<FileBudget> DivideFiles(uint64_t permitted, const FileBudget& wanted);

// The open files that this process may have. UINT64_MAX without a limit, or if it is not known.
uint64_t PermittedOpenFiles();

}  // namespace walden
