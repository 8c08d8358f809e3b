// The load that Walden and the null server are both put under: same code, one channel, one thread.
#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/client/latency_histogram.h"
#include "walden/v1/entry.pb.h"
#include "walden/v1/wal.pb.h"

namespace walden::bench {

struct LoadResult {
  uint64_t operations = 0;  // answered while measuring
  double seconds = 0;       // how long was measured
  cli::LatencyHistogram latency;

  double OperationsPerSecond() const { return static_cast<double>(operations) / seconds; }
};

struct LoadDuration {
  double warm_up_seconds = 0;  // load, but not measured
  double seconds = 0;
  // Starts no more than this many operations, and ends earlier with them.
  uint64_t max_operations = UINT64_MAX;
};

using ChannelPtr = std::shared_ptr<grpc::Channel>;

// Unary Append, always `in_flight` of them waiting for an answer. Sends `requests` in turn, from
// the front again after the last. The first refused call ends the load with its error.
absl::StatusOr<LoadResult> RunAppends(const ChannelPtr& channel,
                                      const std::vector<v1::AppendRequest>& requests, int in_flight,
                                      const LoadDuration& duration);

// The same for unary Put and Get. A Get must find every key it asks for.
absl::StatusOr<LoadResult> RunPuts(const ChannelPtr& channel,
                                   const std::vector<v1::PutRequest>& requests, int in_flight,
                                   const LoadDuration& duration);
absl::StatusOr<LoadResult> RunGets(const ChannelPtr& channel,
                                   const std::vector<v1::GetRequest>& requests, int in_flight,
                                   const LoadDuration& duration);

// One AppendStream, always `in_flight` batches of it unanswered. One operation is one batch.
absl::StatusOr<LoadResult> RunAppendStream(const ChannelPtr& channel,
                                           const v1::AppendRequest& request, uint64_t in_flight,
                                           const LoadDuration& duration);
// The same with messages of many appends, sent in turn. One operation is one append.
absl::StatusOr<LoadResult> RunAppendMessages(const ChannelPtr& channel,
                                             std::vector<v1::AppendStreamRequest> messages,
                                             uint64_t in_flight, const LoadDuration& duration);

struct ReadResult {
  uint64_t records = 0;
  uint64_t payload_bytes = 0;
  uint64_t messages = 0;             // that had records
  uint64_t records_per_message = 0;  // in the first of them
  double seconds = 0;
  cli::LatencyHistogram between_messages;
};

// One Read to its end.
absl::StatusOr<ReadResult> RunRead(const ChannelPtr& channel, const v1::ReadRequest& request);

// One Flush to its end; records are entries, payload bytes those of keys and values.
absl::StatusOr<ReadResult> RunFlush(const ChannelPtr& channel, const v1::FlushRequest& request);

absl::Status ToAbsl(const grpc::Status& status);

}  // namespace walden::bench
