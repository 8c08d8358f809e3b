// Checks RocksDB's write-ahead log files before RocksDB reads them. Tells a tail that a crash cut
// from damage (FORMAT.md) and cuts the tail off. No RocksDB may have the directory open meanwhile.
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
  std::vector<WalPlace> zeros;  // files that end in zeros, which were grown and never written
};

// Facts about the log files that are known before the scan.
struct KnownLogs {
  std::map<std::string, uint64_t> durable_ends;  // by name; none: not known for this file
  std::set<std::string> leftovers;               // names of files that the scan leaves out
};

// Reads all of them and changes nothing. Whatever is broken or missing below a file's durable end
// is damage, and so are writes that a file repeats from an earlier one. `visit` gets every good
// record up to the torn tail, behind damage too; it returns false to stop early. UNAVAILABLE on an
// I/O error.
absl::StatusOr<WalScan> ScanWals(FileSystem* files, const std::string& directory,
                                 const KnownLogs& known,
                                 absl::FunctionRef<bool(const WalRecord&)> visit);

struct CutTail {
  uint64_t bytes = 0;
  std::string evidence_file;  // inside the directory; empty when the disk had no room for it
};

// Makes the log end in front of what is torn, durably. What is behind goes to evidence/ first.
absl::StatusOr<CutTail> CutTornTail(FileSystem* files, const std::string& directory,
                                    const WalScan& scan);

// Makes a file end at `end`, durably. What is behind goes to evidence/ first.
absl::StatusOr<CutTail> CutFile(FileSystem* files, const std::string& directory,
                                const std::string& name, uint64_t end);

// Takes the zeros off the ends of files, which RocksDB would stumble over.
absl::Status TrimZeros(FileSystem* files, const std::string& directory, const WalScan& scan);

// Makes what the files hold durable: a killed process may have left writes that no sync has
// reached, and whoever opens the database takes what it finds for durable. Behind the durable ends
// the bytes are written once more: after a sync that failed the cache may show bytes that no later
// sync writes. True if there were any; some may read otherwise now than before. Nobody may have the
// directory open.
absl::StatusOr<bool> RewriteTails(FileSystem* files, const std::string& directory,
                                  const KnownLogs& known);

// Syncs the files. RocksDB may have the directory open.
absl::Status SyncWals(FileSystem* files, const std::string& directory);

// Names of write-ahead log files among `names`, oldest first.
std::vector<std::string> WalNames(const std::vector<std::string>& names);

// All bytes of a file.
absl::StatusOr<std::string> ReadWholeFile(FileSystem* files, const std::string& path);

}  // namespace walden::rocks
