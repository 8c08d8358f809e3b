// Reads a `metadata` file of format version 1 (format_v1.h). Version 1 is never written: opening
// the region replaces the file by one of version 2.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "engine/io/file_system.h"
#include "engine/segment/metadata_codec.h"

namespace walden::segment::v1 {

// `bytes` are the whole file, which begins with version 1's magic number. Errors as those of
// segment::LoadMetadata. Segments are of version 1. Producers' batches are left out: the daemon did
// not issue their ids.
absl::StatusOr<LoadedMetadata> LoadMetadata(const File& file, std::string bytes,
                                            const std::string& shown_path);

}  // namespace walden::segment::v1
