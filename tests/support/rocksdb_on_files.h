// The RocksDB engine on top of any FileSystem, small enough for a test to take it through table
// files and compactions.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/executor.h"
#include "engine/io/file_system.h"
#include "engine/log_engine.h"

namespace walden::testing {

// What makes engines of tests different from each other.
struct RocksdbOnFilesOptions {
  Executor* background = nullptr;  // takes back space; null: only a full disk makes that happen
  NamespaceId namespace_id = 1;
  uint64_t reclaim_bytes = 64 << 10;
  Clock* clock = Clock::Real();
  const WallClock* wall_clock = WallClock::Real();
};

// `directory` is the namespace's; its parent exists. `files` outlives the engine.
absl::StatusOr<std::unique_ptr<LogEngine>> OpenRocksdbWith(FileSystem* files,
                                                           const std::string& directory,
                                                           const RocksdbOnFilesOptions& options);

inline absl::StatusOr<std::unique_ptr<LogEngine>> OpenRocksdbOnFiles(FileSystem* files,
                                                                     const std::string& directory) {
  return OpenRocksdbWith(files, directory, {});
}

}  // namespace walden::testing
