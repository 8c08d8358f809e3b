// Removing a directory with all that is in it.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "engine/io/file_system.h"

namespace walden {

// OK if nothing is there. Goes on behind what cannot be removed, and returns the first error. A
// symbolic link inside is removed and not followed; if `path` itself is one, it and what the
// directory behind it holds are removed, and that directory stays, empty.
absl::Status RemoveTree(FileSystem* files, const std::string& path);

}  // namespace walden
