// Detects which engine wrote a namespace's directory. Engines use it so as not to open each other's
// files; `walden migrate` uses it to choose the source. Any thread.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/io/file_system.h"

namespace walden {

enum class DirectoryOwner { kNone, kSegment, kRocksdb };

// "segment", "rocksdb", as the configuration spells them; "nothing".
absl::string_view DirectoryOwnerName(DirectoryOwner engine);

// Suffixes of the directory that `walden migrate` builds and of the old one that it keeps.
inline constexpr absl::string_view kMigratingSuffix = ".migrating";
inline constexpr absl::string_view kBeforeMigrationSuffix = ".before-migration";

// A file in a namespace's directory while a restore into it is not finished.
inline constexpr absl::string_view kRestoringFile = "RESTORING";

// The segment engine's directory has a region's directory. RocksDB's has a CURRENT file or Walden's
// companion file. kNone if it has neither or does not exist. FAILED_PRECONDITION (WRONG_ENGINE) if
// it has both.
absl::StatusOr<DirectoryOwner> DetectDirectoryOwner(FileSystem* files,
                                                    const std::string& directory);

// FAILED_PRECONDITION (WRONG_ENGINE) if a restore into the directory was not finished: only that
// restore may open it. Changes nothing.
absl::Status CheckNotRestoring(FileSystem* files, const std::string& directory);

// OK if `wanted` may open <data directory>/<namespace>, which need not exist. FAILED_PRECONDITION
// (WRONG_ENGINE) if the other engine wrote it, or if a migration stopped between taking the old
// directory away and putting the new one in its place. Changes nothing.
absl::Status CheckDirectoryOwner(FileSystem* files, const std::string& data_directory,
                                 const std::string& namespace_name, DirectoryOwner wanted);

}  // namespace walden
