// Checks the files of a RocksDB directory one by one. Does not open RocksDB, so it works on a
// damaged directory. Changes nothing and takes no lock.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "engine/io/file_system.h"
#include "engine/log_engine.h"
#include "engine/rocksdb/wal/wal_repair.h"

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace walden::rocks {

struct CheckedFile {
  std::string name;
  uint64_t bytes = 0;
  uint64_t entries = 0;  // keys of a table file, writes of a write-ahead log
  std::vector<DamagedRange> damage;
  uint64_t torn_begin = 0;  // what a crash left of the last write; 0, 0 if nothing
  uint64_t torn_end = 0;
};

// Reads a table file from the disk, past RocksDB's cache and, where the file system can, past the
// operating system's. Sets entries and damage of `file`, whose name and size are known. A file that
// is missing is damage.
absl::Status CheckTableFile(rocksdb::Env* env, const std::string& directory,
                            const std::string& shown_directory, CheckedFile& file);

// Checks all table files and write-ahead logs, ordered by name, and compares the logs with what is
// known of them. `progress` gets the bytes done so far and the bytes in all; it returns false to
// stop early. UNAVAILABLE on an I/O error.
absl::StatusOr<std::vector<CheckedFile>> CheckFiles(
    FileSystem* files, rocksdb::Env* env, const std::string& directory,
    const std::string& shown_directory, const KnownLogs& known,
    absl::FunctionRef<bool(uint64_t, uint64_t)> progress);

}  // namespace walden::rocks
