// Accepts the present state of a RocksDB directory that another program changed (`walden adopt`).
#pragma once

#include <optional>
#include <string>
#include <vector>

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
  // Whether a companion file said what must be there. If not, whole records that are missing at
  // the end of the log, missing logs and older copies of files are not noticed.
  bool is_compared = false;
  std::vector<std::string> lost;  // what `accept_loss` accepted, a sentence each
};

struct AdoptOptions {
  std::optional<NamespaceId> id;
  bool accept_loss = false;  // take the directory although durable bytes are missing
};

// `directory` is .../NAMESPACE. Writes a companion file that lets the next opening take the
// directory as it is, and changes nothing else. First checks everything that an opening checks,
// except what another program changed. If `id` is nullopt, the namespace gets the id of the earlier
// companion file, else the id that all records have, else 1. `env` null: RocksDB's own.
//   LOCKED             a daemon has the directory open
//   NOT_FOUND          there is no RocksDB in it
//   DATA_LOSS          the files themselves show damage, RocksDB cannot open them, or something is
//                      missing by the companion file and `accept_loss` is not set
//   WRONG_NAMESPACE    no record has the id
absl::StatusOr<AdoptedNamespace> AdoptDirectory(FileSystem* files, rocksdb::Env* env,
                                                const std::string& directory,
                                                const AdoptOptions& options);

}  // namespace walden::rocks
