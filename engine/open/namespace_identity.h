// Compares the identities that are stored in a data directory's namespaces. Any thread.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "engine/io/file_system.h"
#include "engine/types.h"

namespace walden {

// FAILED_PRECONDITION (WRONG_NAMESPACE) if <data directory>/<namespace> holds nothing and another
// directory beside it holds a namespace with the same id. Then the configuration renamed that
// namespace, and a new, empty one would take its place. Passes over directories that cannot be read
// and those that format version 1 or HoraeDB wrote, which store no identity. Changes nothing.
absl::Status CheckIdIsNotElsewhere(FileSystem* files, const std::string& data_directory,
                                   const std::string& namespace_name, NamespaceId id);

}  // namespace walden
