// Inspects a namespace's RocksDB directory offline. Changes nothing and takes no lock. Works on a
// damaged directory as far as it can be read.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/io/file_system.h"
#include "engine/log_engine.h"
#include "engine/rocksdb/directory/file_check.h"

namespace walden::rocks {

struct InspectedTable {
  RegionId region = 0;
  TableState state;
};

struct InspectedNamespace {
  // Not OK: RocksDB cannot open the directory, and what follows comes from its files one by one.
  absl::Status opened;
  // Not OK: the directory is not as its companion file says (directory_check.h).
  absl::Status checked;
  std::vector<NamespaceId> namespace_ids;  // in log keys; more than one in HoraeDB's directories
  std::vector<InspectedTable> tables;      // of all of them, by region and table
  std::vector<CheckedFile> files;
  std::vector<std::string> evidence_files;  // what earlier openings cut off
};

// Whether the directory is RocksDB's: it has a CURRENT file or a companion file.
absl::StatusOr<bool> IsRocksdbDirectory(FileSystem* files, const std::string& directory);

// Inspects the directory. UNAVAILABLE on an I/O error. `env` null: RocksDB's own, which must see
// the same files.
absl::StatusOr<InspectedNamespace> InspectNamespace(FileSystem* files, rocksdb::Env* env,
                                                    const std::string& directory);

}  // namespace walden::rocks
