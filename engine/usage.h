// What engines and their regions take, for whoever watches them: cheap enough to be asked for
// thousands of regions every few seconds.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/time/time.h"
#include "engine/types.h"

namespace walden {

// The record that keeps what lies behind it on the disk.
struct OldestRecord {
  TableId table = 0;
  SequenceNumber sequence = 0;
  // It is at least this old; none if nobody knows.
  std::optional<absl::Duration> age;
};

struct RegionUsage {
  uint64_t allocated_bytes = 0;  // as RegionDescription says
  uint64_t live_bytes = 0;
  uint64_t live_records = 0;  // about, where a mark cuts through a segment
  uint64_t segments = 0;
  uint64_t tables = 0;  // that were ever written
  uint64_t damaged_ranges = 0;
  uint64_t index_bytes = 0;            // memory of what says where records lie, about
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

// Of a namespace, beside its regions.
struct EngineUsage {
  std::optional<uint64_t> spare_segments;  // ready; engines without segments have none
  std::optional<RocksdbUsage> rocksdb;     // none while it is not open
};

}  // namespace walden
