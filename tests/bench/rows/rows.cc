#include "tests/bench/rows/rows.h"

namespace walden::bench {

const std::vector<RowDefinition>& AllRows() {
  static const auto& rows = *new std::vector<RowDefinition>{
      {"append_unary", "Append SYNC, 1 KiB, 64 in flight", &RunAppendUnary},
      {"append_one_in_flight", "Append SYNC, 1 KiB, 1 in flight", &RunAppendOneInFlight},
      {"append_stream", "AppendStream SYNC, 256 x 1 KiB per batch", &RunAppendStreamRow},
      {"small_records", "AppendStream SYNC, single 256-byte records, 64 in a message",
       &RunSmallRecords},
      {"read", "Read of 1 GiB in 1 KiB records", &RunReadRow},
      {"engine_commit", "engine alone, group commits of 256 KiB", &RunEngineCommit},
      {"open_namespace", "opening a namespace of 4 GiB", &RunOpenNamespace},
      {"one_table_of_many", "reading one table among 1,000 of a region", &RunOneTableOfMany},
      {"many_regions", "1,000 regions written in turn", &RunManyRegions},
      {"put_unary", "Put SYNC, 1 KiB, 64 in flight", &RunPutRow},
      {"get", "Get of a key in memory, 64 in flight", &RunGetRow},
      {"flush", "Flush of 1 GiB in 1 KiB entries", &RunFlushRow},
      {"entry_overhead", "memory of an entry beside its bytes", &RunEntryOverhead},
      {"rocksdb_append_unary", "Append SYNC, 1 KiB, 64 in flight, RocksDB", &RunRocksdbAppendUnary},
      {"rocksdb_append_stream", "AppendStream SYNC, 256 x 1 KiB per batch, RocksDB",
       &RunRocksdbAppendStream},
      {"rocksdb_read", "Read of 1 GiB in 1 KiB records, RocksDB", &RunRocksdbRead},
      {"rocksdb_commit", "RocksDB engine alone, group commits of 256 KiB", &RunRocksdbCommit},
      {"rocksdb_open", "opening a RocksDB namespace of 10,000 tables", &RunRocksdbOpen},
      {"tenants", "a quiet tenant beside a greedy one", &RunTenants},
      {"memory", "resident memory at steady load", &RunMemory},
  };
  return rows;
}

}  // namespace walden::bench
