// Checks RocksDB's write-ahead log files before RocksDB reads them. Distinguishes a tail that a
// crash cut from damage (FORMAT.md) and cuts the tail off. No RocksDB may have the directory open
// meanwhile.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "engine/io/file_system.h"
#include "engine/log_engine.h"
#include "engine/rocksdb/wal/wal_parser.h"

namespace walden::rocks {

struct WalPlace {
  std::string file;     // name inside the directory
  uint64_t offset = 0;  // of the whole record
  uint64_t length = 0;
  std::string reason;
};

struct WalScan {
  std::vector<std::string> files;  // names, oldest first
  uint64_t records = 0;            // writes
  uint64_t bytes = 0;              // of all files
  std::optional<WalPlace> torn;    // where the log ends, if a crash cut it
  std::vector<WalPlace> damage;
  std::vector<WalPlace> zeros;  // files that end in zeros, which were never written
};

// Facts about the log files that are known before the scan.
struct KnownLogs {
  // By name. A file without an entry has no known end.
  std::map<std::string, uint64_t> durable_ends;
  std::set<std::string> leftovers;  // names of files that the scan leaves out
};

// Reads all log files and changes nothing. Broken or missing bytes below a file's durable end are
// damage, and so are writes that a file repeats from an earlier one. `visit` gets every good record
// up to the torn tail, also after damage; it returns false to stop early. UNAVAILABLE on an I/O
// error.
absl::StatusOr<WalScan> ScanWals(FileSystem* files, const std::string& directory,
                                 const KnownLogs& known,
                                 absl::FunctionRef<bool(const WalRecord&)> visit);

struct CutTail {
  uint64_t bytes = 0;
  std::string evidence_file;  // inside the directory; empty when the disk had no room for it
};

// Cuts the log at the torn place, durably. Copies the bytes after it to evidence/ first.
absl::StatusOr<CutTail> CutTornTail(FileSystem* files, const std::string& directory,
                                    const WalScan& scan);

// Cuts a file at `end`, durably. Copies the bytes after it to evidence/ first.
absl::StatusOr<CutTail> CutFile(FileSystem* files, const std::string& directory,
                                const std::string& name, uint64_t end);

// Cuts the zeros off the ends of files, since RocksDB would take them for damage.
absl::Status TrimZeros(FileSystem* files, const std::string& directory, const WalScan& scan);

// Makes the log files durable: a killed process may have left writes that no sync reached, and an
// opening takes all that it finds for durable. Writes the bytes after the durable ends once more,
// since after a failed sync the cache may show bytes that no later sync writes. Returns true if
// there were such bytes; they may read differently now. No RocksDB may have the directory open.
absl::StatusOr<bool> RewriteTails(FileSystem* files, const std::string& directory,
                                  const KnownLogs& known);

// Syncs the files. RocksDB may have the directory open. `run` is called with each file's name and its
// sync, and returns the result of the sync that it runs.
absl::Status SyncWals(
    FileSystem* files, const std::string& directory,
    absl::FunctionRef<absl::Status(const std::string& name, absl::FunctionRef<absl::Status()> sync)>
        run);

// Names of write-ahead log files among `names`, oldest first.
std::vector<std::string> WalNames(const std::vector<std::string>& names);

// All bytes of a file.
absl::StatusOr<std::string> ReadWholeFile(FileSystem* files, const std::string& path);

}  // namespace walden::rocks
