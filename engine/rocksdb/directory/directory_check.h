// Compares a RocksDB namespace's directory with its companion file before RocksDB opens it. Nothing
// here changes a file. The caller holds the directory's lock.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/io/file_system.h"
#include "engine/rocksdb/companion/companion.h"
#include "engine/rocksdb/wal/wal_repair.h"
#include "engine/types.h"

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace walden::rocks {

// The directory of a namespace, and the identity that the configuration gives it.
struct CheckedPlace {
  FileSystem* files = nullptr;
  std::string directory;
  std::string shown_directory;  // in messages
  NamespaceId namespace_id = 1;
  std::string namespace_name;
};

struct CheckedDirectory {
  std::optional<Companion> companion;
  bool is_new = false;  // no database was ever open in it
  KnownLogs logs;
  std::string manifest;                  // name of the file that CURRENT names
  CompanionManifest durable_manifest;    // what the companion file says of it
  bool is_changed = false;               // CheckForAdoption: another program wrote to it
  std::optional<uint64_t> manifest_end;  // a crash cut the manifest's last record: it ends here
};

// Checks that everything is there that the companion file relies on.
//   DATA_LOSS            a file is missing, too short or differs from what was durable
//   CHANGED_ELSEWHERE    another program wrote to the directory since
//   WRONG_NAMESPACE      the directory belongs to another namespace
//   UNAVAILABLE          an I/O error
absl::StatusOr<CheckedDirectory> CheckDirectory(const CheckedPlace& place);

// As CheckDirectory, but goes on after a change by another program, and compares what is left with
// the companion file. A log that is missing is damage, unless the other program's manifest says
// that its records are in tables.
absl::StatusOr<CheckedDirectory> CheckForAdoption(const CheckedPlace& place);

// Checks a directory without its companion file, to take it as it is. DATA_LOSS for damage that the
// files show by themselves.
absl::StatusOr<CheckedDirectory> CheckAsItIs(const CheckedPlace& place);

// Checks that the logs begin with the bytes that were durable. DATA_LOSS names the first log that
// does not.
absl::Status CheckLogBytes(const CheckedPlace& place, const Companion& companion);

// Checks a directory without a companion file. DATA_LOSS if its database says that there was one;
// WRONG_NAMESPACE if it has records, and all of them are other namespaces'.
absl::Status CheckWithoutCompanion(const CheckedPlace& place, rocksdb::Env* env);

// The name of a directory's namespace: the directory's name without a suffix that `walden migrate`
// gave it.
std::string NamespaceNameOf(const std::string& directory_name);

}  // namespace walden::rocks
