// The version that every program of a build has, and the commit that it was built from.
#pragma once

#include <string>
#include <string_view>

namespace walden {

extern const char kVersion[];  // "0.1.0"
// Short hash, with "-dirty" behind it if tracked files differed from that commit; "unknown" when it
// was not built from a git checkout.
extern const char kCommit[];

// The line that --version prints, "waldend 0.1.0 (1a2b3c4)".
inline std::string VersionText(std::string_view program) {
  return std::string(program) + " " + kVersion + " (" + kCommit + ")";
}

}  // namespace walden
