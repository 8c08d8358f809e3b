// Imports a region of HoraeDB's local log (engine/horaedb/FORMAT.md) into a region of Walden, with
// tables, sequence numbers and order.
//
// An import may be stopped or killed anywhere and started again: records that the target has are
// compared with the source and passed over. Memory is bounded by a few MiB, the largest record, and
// a few numbers per table. One thread; no other thread may write the target meanwhile.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "engine/io/file_system.h"
#include "engine/log_engine.h"

namespace walden::horaedb {

struct WalImportProgress {
  uint64_t records = 0;  // imported by this call
  uint64_t bytes = 0;    // of segment files, read
};

struct WalImportResult {
  uint64_t segments = 0;
  uint64_t tables = 0;
  uint64_t records = 0;           // in the source, and now in the target
  uint64_t bytes = 0;             // their payloads
  uint64_t imported_records = 0;  // by this call
  uint64_t leftover_records = 0;  // of earlier uses of a file, left out
  // Records after damage in their segment, which HoraeDB itself does not serve: those that were
  // imported, and those that were left out because a newer segment has their numbers.
  uint64_t records_behind_damage = 0;
  uint64_t superseded_records = 0;
  // Damaged ranges that the import passed over. `last` is kMaxSequenceNumber if no record follows:
  // then the number of lost records is not known.
  std::vector<DamagedRange> damaged;
  std::vector<std::string> ignored;  // names in the directory that are no segment files
};

// Bytes of the segment files in a region's directory.
absl::StatusOr<uint64_t> WalBytes(FileSystem* files, const std::string& directory);

// `directory` holds seg_<id> files; `shown_directory` names it in reports. `progress` is called
// after each step of about a MiB; it returns false to stop (CANCELLED). Before it returns the
// import reads the target and compares it with the source.
//   NOT_FOUND            no directory, or no segment in it
//   FAILED_PRECONDITION  the target holds what is not a beginning of this log
//   INTERNAL             the target does not hold what the source does
// and the errors of RegionLog's functions. Damage in the source is in the result.
absl::StatusOr<WalImportResult> ImportWal(
    FileSystem* files, const std::string& directory, const std::string& shown_directory,
    RegionLog& target, absl::FunctionRef<bool(const WalImportProgress&)> progress);

}  // namespace walden::horaedb
