// The RocksDB engine on top of any FileSystem, small enough for a test to take it through table
// files and compactions.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "engine/io/file_system.h"
#include "engine/log_engine.h"

namespace walden::testing {

// `directory` is the namespace's; its parent exists. `files` outlives the engine.
absl::StatusOr<std::unique_ptr<LogEngine>> OpenRocksdbOnFiles(FileSystem* files,
                                                              const std::string& directory);

}  // namespace walden::testing
