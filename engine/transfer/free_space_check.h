// Checks that a disk has room for a copy of a log before the copying begins. Any thread.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "engine/common/directory_owner.h"
#include "engine/io/file_system.h"

namespace walden {

struct CopySize {
  std::string what;  // "a second copy of /data/default", for the message
  DirectoryOwner to = DirectoryOwner::kNone;
  uint64_t regions = 0;
  uint64_t live_bytes = 0;   // of the source
  uint64_t there_bytes = 0;  // of the copy that an earlier run began
  uint64_t segment_size_bytes = 0;
};

// RESOURCE_EXHAUSTED (DISK_FULL) if there is no room; the message says how much is needed and how
// much is free.
absl::Status CheckRoomForCopy(FileSystem* files, const std::string& data_directory,
                              const CopySize& size);

}  // namespace walden
