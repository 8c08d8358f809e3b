// Divides the number of files that the process may have open.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"

namespace walden {

struct FileBudget {
  uint32_t max_open_regions = 0;
  uint32_t max_connections = 0;  // 0: no limit
};

// The limits that fit into `permitted` open files, none of them above `wanted`. The daemon's own
// files come first, then at most half of the rest is for connections, and regions get what is left.
// Where everything fits, `wanted` itself. RESOURCE_EXHAUSTED (TOO_MANY_FILES) if not even one
// region and one connection fit; it names what is needed.
absl::StatusOr<FileBudget> DivideFiles(uint64_t permitted, const FileBudget& wanted);

// Of this process; UINT64_MAX without a limit, or if the system does not tell.
uint64_t PermittedOpenFiles();

}  // namespace walden
