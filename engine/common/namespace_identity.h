// Which namespace a directory in the data directory says that it belongs to. Any thread.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "engine/io/file_system.h"
#include "engine/types.h"

namespace walden {

// FAILED_PRECONDITION (WRONG_NAMESPACE) if <data directory>/<namespace> holds nothing and another
// directory beside it is a namespace with the same id under its own name: then the configuration
// gave that one another name, and the namespace would begin anew with nothing in it. Directories
// that cannot be read, and those that format version 1 or HoraeDB wrote, say nothing. Changes
// nothing.
absl::Status CheckIdIsNotElsewhere(FileSystem* files, const std::string& data_directory,
                                   const std::string& namespace_name, NamespaceId id);

}  // namespace walden
