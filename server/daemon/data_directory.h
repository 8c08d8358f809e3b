// Makes the data directory durably, and closes it to other users.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "engine/io/posix_file_system.h"

namespace walden {

struct DataDirectoryOptions {
  std::string path;
  std::string group;                    // that may read what is in it; empty: none may
  std::vector<std::string> namespaces;  // names of directories in it
};

// The permissions of the files that the daemon writes, by the configured group.
inline Access AccessFor(const std::string& group) {
  return group.empty() ? Access::kOwner : Access::kGroup;
}

// Makes the directory and those above it, durably, gives it to the group, and takes away what
// others may do in directories that are there already. A failure to do so is logged: the
// directory may belong to another user.
absl::Status PrepareDataDirectory(FileSystem* file_system, const DataDirectoryOptions& options);

}  // namespace walden
