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

LoadDuration OneRound(const Options& options);

}  // namespace walden::bench
