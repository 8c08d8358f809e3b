#include "server/daemon/file_budget.h"

#include <sys/resource.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/error.h"

namespace walden {
namespace {

// Standard streams, listening sockets, locks, event descriptors of gRPC and the daemon, and files
// that are open briefly: replaced metadata, synced directories, certificates.
constexpr uint64_t kOwnFiles = 32;
// A region of the segment engine holds its newest segment and its metadata, and opens one more for
// a moment.
constexpr uint64_t kFilesPerRegion = 3;

}  // namespace

absl::StatusOr<FileBudget> DivideFiles(uint64_t permitted, const FileBudget& wanted) {
  constexpr uint64_t kLeast = kOwnFiles + kFilesPerRegion + 1;
  if (permitted < kLeast) {
    return MakeError(
        absl::StatusCode::kResourceExhausted, ErrorReason::kTooManyFiles,
        absl::StrCat("the process may have ", permitted, " files open and needs at least ", kLeast,
                     ": raise the limit of open files (ulimit -n)"),
        {{"value", absl::StrCat(permitted)}, {"limit", absl::StrCat(kLeast)}});
  }
  const uint64_t rest = permitted - kOwnFiles;
  const uint64_t for_regions = kFilesPerRegion * wanted.max_open_regions;
  if (for_regions + wanted.max_connections < rest) return wanted;
  FileBudget budget;
  const uint64_t most = std::max<uint64_t>(1, std::min(rest / 2, rest - kFilesPerRegion));
  const uint64_t connections =
      wanted.max_connections == 0 ? most : std::min<uint64_t>(wanted.max_connections, most);
  const uint64_t regions = std::max<uint64_t>(1, (rest - connections) / kFilesPerRegion);
  budget.max_open_regions =
      static_cast<uint32_t>(std::min<uint64_t>(regions, wanted.max_open_regions));
  budget.max_connections = static_cast<uint32_t>(connections);
  return budget;
}

uint64_t PermittedOpenFiles() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return UINT64_MAX;
  return limit.rlim_cur;
}

}  // namespace walden
