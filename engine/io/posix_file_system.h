// The real file system.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/io/file_system.h"

namespace walden {

// The permissions of new files and directories, independent of the process's umask.
enum class Access {
  kOwner,  // files 0600, directories 0700
  kGroup   // files 0640, directories 0750
};

// The file system of the operating system. Never null; it lives for ever.
FileSystem* PosixFileSystem(Access access = Access::kOwner);

// Removes the permissions of a directory that `access` does not give. Returns whether there were
// any. IO_ERROR if it belongs to another user.
absl::StatusOr<bool> TightenDirectory(const std::string& path, Access access);

// Gives a directory, and everything that is made inside it from now on, to a group that may read
// it: mode 02750. INVALID_ARGUMENT if there is no such group.
absl::Status GiveToGroup(const std::string& path, const std::string& group);

}  // namespace walden
