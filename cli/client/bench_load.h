// A bounded load of appends, and how long each took.
#pragma once

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "cli/client/connection.h"
#include "cli/client/latency_histogram.h"
#include "walden/v1/wal.pb.h"

namespace walden::cli {

struct LoadOptions {
  bool stream = false;  // one AppendStream instead of unary Append calls
  uint32_t namespace_id = 0;
  uint64_t region = 0;
  uint64_t tables = 1;  // ids 1..tables, in turn
  v1::Durability durability = v1::DURABILITY_SYNC;
  uint64_t payload_bytes = 1024;
  uint64_t batch_records = 1;
  uint64_t in_flight = 64;
  uint64_t max_message_batches = 0;  // of a stream's message, as the daemon limits it; 0 = no limit
  // Ends at whichever comes first. 0 records = not bounded by records.
  absl::Duration duration = absl::Seconds(5);
  uint64_t max_records = 0;
  uint64_t max_bytes = 0;
};

struct LoadResult {
  // The first append that failed ended the load; what was answered before it counts.
  absl::Status status;
  LatencyHistogram latencies;  // of batches, from send to answer
  uint64_t batches = 0;
  uint64_t records = 0;
  uint64_t payload_bytes = 0;
  absl::Duration elapsed;
};

// `on_progress` is called now and then in the calling thread. Everything that was sent is answered
// when this returns.
LoadResult RunLoad(Connection& connection, const LoadOptions& options,
                   absl::FunctionRef<void(const LoadResult& so_far)> on_progress);

}  // namespace walden::cli
