// Accepts the present state of a RocksDB directory that another program changed (`walden adopt`).
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "engine/io/file_system.h"
#include "engine/types.h"

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace walden::rocks {

struct AdoptedNamespace {
  NamespaceId id = 0;
  std::string name;
  size_t regions = 0;
  size_t tables = 0;
};

// `directory` is .../NAMESPACE. Writes a companion file that lets the next opening take the
// directory as it is; changes nothing else. If `id` is nullopt, the namespace gets the id of the
// earlier companion file, else the id that all records have, else 1. `env` null: RocksDB's own.
//   LOCKED             a daemon has the directory open
//   NOT_FOUND          there is no RocksDB in it
//   DATA_LOSS          the files themselves show damage, or RocksDB cannot open them
//   WRONG_NAMESPACE    no record has the id
absl::StatusOr<AdoptedNamespace> AdoptDirectory(FileSystem* files, rocksdb::Env* env,
                                                const std::string& directory,
                                                std::optional<NamespaceId> id);

}  // namespace walden::rocks
