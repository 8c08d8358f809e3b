// The real file system.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/io/file_system.h"

namespace walden {

// The permissions of files and directories that are made, whatever the process's umask is.
enum class Access {
  kOwner,  // files 0600, directories 0700
  kGroup   // files 0640, directories 0750
};

// Never null, lives for ever.
FileSystem* PosixFileSystem(Access access = Access::kOwner);

// Takes away from a directory that is there what `access` does not give. Returns whether it gave
// more before. IO_ERROR if it belongs to another user.
absl::StatusOr<bool> TightenDirectory(const std::string& path, Access access);

// Gives a directory, and all that is made inside from now on, to a group that may read it: mode
// 02750. INVALID_ARGUMENT if there is no such group.
absl::Status GiveToGroup(const std::string& path, const std::string& group);

}  // namespace walden
