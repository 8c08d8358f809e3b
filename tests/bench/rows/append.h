// What the rows that append through the daemon have in common.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tests/bench/load_client.h"
#include "tests/bench/options.h"
#include "walden/v1/wal.pb.h"

namespace walden::bench {

inline constexpr size_t kPayloadBytes = 1024;

// SYNC, `records` payloads of 1 KiB.
v1::AppendRequest MakeAppendRequest(uint64_t region, uint64_t table, size_t records);

// The engine of the daemon's default namespace.
struct EngineOfRow {
  const char* suffix;         // of the row's title
  const char* configuration;  // YAML
};
inline constexpr EngineOfRow kSegmentEngine = {"", ""};
inline constexpr EngineOfRow kRocksdbEngine = {
    ", RocksDB", "namespaces:\n  - name: default\n    id: 1\n    engine: rocksdb\n"};

LoadDuration OneRound(const Options& options);

}  // namespace walden::bench
