// Moves a namespace from one engine to the other, offline, with every number, mark, kind and
// region version (docs/operators/migration.md).
//
//   1. copies every region into <name>.migrating and compares it, record by record
//   2. renames <name> to <name>.before-migration
//   3. renames <name>.migrating to <name>
//
// If the call is stopped anywhere, the same call goes on from there. Until step 2 the namespace is
// untouched, except for repairs by opening it. Between steps 2 and 3 the engines refuse to open it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "engine/open/open_engine.h"

namespace walden {

struct MigrationOptions {
  OfflineNamespace where;
  std::string namespace_name;
  DirectoryOwner to = DirectoryOwner::kNone;         // kSegment or kRocksdb
  uint64_t segment_size_bytes = uint64_t{64} << 20;  // of the new segments
  // See RegionCopyOptions. Notes the damage in the source's metadata, as `recovery_policy:
  // quarantine` does.
  bool skip_damaged = false;
};

struct MigrationProgress {
  uint64_t regions = 0;  // done
  uint64_t total_regions = 0;
  uint64_t records = 0;      // copied by this call
  uint64_t bytes = 0;        // payloads read: once to copy them, then on both sides to compare
  uint64_t total_bytes = 0;  // about
};

struct MigrationResult {
  // The copy was there already, or the whole migration was finished: the counts below are 0.
  bool was_copied = false;
  uint64_t regions = 0;
  uint64_t tables = 0;
  uint64_t records = 0;
  uint64_t bytes = 0;
  std::vector<DamagedRange> damaged;
  std::string old_directory;  // what may be removed now
};

// Takes the locks of both directories and holds them to the end. `progress` returns false to stop
// (CANCELLED).
//   NOT_FOUND            there is no such namespace, or nothing in it
//   FAILED_PRECONDITION  LOCKED: a process has it open, and which; WRONG_ENGINE: it is of engine
//                        `to` already; <name>.before-migration is in the way; another namespace id
//   RESOURCE_EXHAUSTED   DISK_FULL: there is not room for a second copy, and how much is missing
// and the errors of CopyRegion and of the engines.
absl::StatusOr<MigrationResult> MigrateNamespace(
    const MigrationOptions& options, absl::FunctionRef<bool(const MigrationProgress&)> progress);

}  // namespace walden
