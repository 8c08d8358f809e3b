// Compares the identities that are stored in a data directory's namespaces. Any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/io/file_system.h"
#include "engine/types.h"

namespace walden {

struct NamespaceIdentity {
  NamespaceId id = 0;
  std::string name;
};

// The identity that the files of a namespace's directory name. None if they name none: there are no
// files, they cannot be read, or format version 1 or HoraeDB wrote them.
std::optional<NamespaceIdentity> StoredIdentity(FileSystem* files, const std::string& directory);

// The namespaces of a data directory whose files name their identity, ordered by name. One whose
// migration was interrupted is among them.
absl::StatusOr<std::vector<NamespaceIdentity>> StoredNamespaces(FileSystem* files,
                                                                const std::string& data_directory);

// FAILED_PRECONDITION (WRONG_NAMESPACE) if <data directory>/<namespace> holds nothing and another
// directory beside it holds a namespace with the same id. Then the configuration renamed that
// namespace, and a new, empty one would take its place. Passes over directories that cannot be read
// and those that format version 1 or HoraeDB wrote, which store no identity. Changes nothing.
absl::Status CheckIdIsNotElsewhere(FileSystem* files, const std::string& data_directory,
                                   const std::string& namespace_name, NamespaceId id);

}  // namespace walden
