// Removes a directory with everything in it.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "engine/io/file_system.h"

namespace walden {

// OK if `path` does not exist. Goes on after files that cannot be removed, and returns the first
// error. Symbolic links inside are removed and not followed. If `path` itself is a link, the link
// and the contents of its directory are removed, and the directory stays, empty.
absl::Status RemoveTree(FileSystem* files, const std::string& path);

}  // namespace walden
