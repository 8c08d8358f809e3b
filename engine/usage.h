// Figures about the disk and memory that an engine and its regions use, for metrics and the status
// page. They are cheap: a daemon asks for them of thousands of regions every few seconds.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/time/time.h"
#include "engine/types.h"

namespace walden {

// The oldest live record of a region. The log after it cannot be given back before it is deleted.
struct OldestRecord {
  TableId table = 0;
  SequenceNumber sequence = 0;
  // How long nothing was written to its segment: the record is at least this old. None: not known.
  std::optional<absl::Duration> age;
  // The time by which the record was appended, or restored, by the clock on the wall. Records that
  // were appended shortly after each other may share it. None: not known.
  std::optional<int64_t> appended_unix_micros;
};

struct RegionUsage {
  uint64_t allocated_bytes = 0;  // RegionDescription::allocated_bytes
  uint64_t live_bytes = 0;
  uint64_t live_records = 0;  // an estimate where a mark cuts through a segment
  uint64_t segments = 0;
  uint64_t tables = 0;  // that were ever written
  uint64_t damaged_ranges = 0;
  uint64_t index_bytes = 0;            // about: memory of the index of records
  std::optional<OldestRecord> oldest;  // none: nothing is live
};

struct RocksdbUsage {
  uint64_t memtable_bytes = 0;
  uint64_t table_file_bytes = 0;
  uint64_t live_table_file_bytes = 0;
  uint64_t wal_bytes = 0;
  uint64_t pending_compaction_bytes = 0;
  uint64_t running_compactions = 0;
  uint64_t running_flushes = 0;
  uint64_t background_errors = 0;
  uint64_t block_cache_bytes = 0;
  uint64_t block_cache_limit_bytes = 0;
  uint64_t waiting_reclaim_bytes = 0;
};

// Figures of a namespace that belong to none of its regions.
struct EngineUsage {
  std::optional<uint64_t> spare_segments;  // segments made ahead; none: the engine has no segments
  std::optional<RocksdbUsage> rocksdb;     // none while RocksDB is not open
};

}  // namespace walden
