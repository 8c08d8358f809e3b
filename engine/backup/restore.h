// Brings regions of a backup back into a data directory, offline, with every number, mark, kind and
// region version, into either engine.
//
// Until the restore is done, no engine opens the namespace (kRestoringFile). If the call is stopped
// anywhere, the same call goes on from there. A region of which the backup was brought up to date
// meanwhile begins anew. A region that was restored and not changed since is compared and left as
// it is, so that the call may be repeated after its last step too.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "engine/backup/manifest.h"
#include "engine/open/open_engine.h"

namespace walden::backup {

struct RestoreOptions {
  OfflineNamespace where;  // file_system: the backup is read by it too
  std::string namespace_name;
  DirectoryOwner engine = DirectoryOwner::kNone;  // kSegment or kRocksdb
  uint64_t segment_size_bytes = uint64_t{64} << 20;
  std::string backup_directory;
  std::vector<RegionId> regions;  // empty: all of them
};

struct RestoreProgress {
  uint64_t records = 0;  // restored by this call
  // Bytes read: of the backup to check it, again to restore it, then on both sides to compare.
  uint64_t bytes = 0;
  uint64_t total_bytes = 0;  // about
};

struct RestoredRegion {
  RegionId region = 0;
  std::string taken_at;
  bool exact = true;
  uint64_t tables = 0;
  uint64_t records = 0;               // live ones, now in both
  uint64_t bytes = 0;                 // their payloads
  uint64_t restored_records = 0;      // by this call
  std::vector<DamagedRange> damaged;  // what the backup left out
};

// Checks every byte of the backup before it writes anything. Before it returns it compares the
// restored regions with the backup, record by record. `progress` returns false to stop (CANCELLED).
//   NOT_FOUND            no backup, or no finished copy of a region that is asked for
//   DATA_LOSS            the backup is damaged: where
//   FAILED_PRECONDITION  LOCKED: a process has the namespace or the backup open, and which;
//                        WRONG_ENGINE: the namespace is of the other engine;
//                        RESTORE_OUT_OF_ORDER: a region exists there already and holds something
//                        else
//   RESOURCE_EXHAUSTED   DISK_FULL: there is not room, and how much is missing
// and the errors of CopyRegion and of the engines.
absl::StatusOr<std::vector<RestoredRegion>> RestoreBackup(
    const RestoreOptions& options, absl::FunctionRef<bool(const RestoreProgress&)> progress);

}  // namespace walden::backup
