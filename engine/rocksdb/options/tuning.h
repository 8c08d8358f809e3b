// Settings of a RocksDB namespace that an operator may need to change (docs/operators/rocksdb.md says when).
#pragma once

#include <cstdint>

namespace walden {

struct RocksdbTuning {
  // Records gathered in memory before they are written to a table file. Up to four such buffers
  // exist at once, and opening after a crash reads back as much.
  uint64_t write_buffer_bytes = uint64_t{64} << 20;
  // RocksDB keeps its own write-ahead log below about this size, by writing buffers out earlier.
  uint64_t max_total_wal_bytes = uint64_t{256} << 20;
  // Blocks of table files kept in memory for readers.
  uint64_t block_cache_bytes = uint64_t{8} << 20;
  // Space is reclaimed once this much was marked deleted, and at least a quarter of the stored
  // bytes.
  uint64_t reclaim_bytes = uint64_t{64} << 20;
  // Set aside on the disk, so that marks can be made when it is full.
  uint64_t reserve_bytes = uint64_t{16} << 20;
};

}  // namespace walden
