// Checks directories of the data directory for the namespace that they belong to. Any thread.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "engine/io/file_system.h"
#include "engine/types.h"

namespace walden {

// FAILED_PRECONDITION (WRONG_NAMESPACE) if <data directory>/<namespace> holds nothing and another
// directory beside it belongs to a namespace of the same id: the configuration renamed that
// namespace, which would begin anew without its data. Skips directories that cannot be read, and
// those that format version 1 or HoraeDB wrote. Changes nothing.
absl::Status CheckIdIsNotElsewhere(FileSystem* files, const std::string& data_directory,
                                   const std::string& namespace_name, NamespaceId id);

}  // namespace walden
