// Append and Put: what differs between their calls and streams (append_call.h, append_stream.h).
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/log_engine.h"
#include "server/call/call.h"
#include "server/call/request_checks.h"
#include "server/call/request_limits.h"
#include "server/entry/entry_request_checks.h"
#include "server/region/mailbox_job.h"
#include "server/region/region_actor.h"
#include "server/statistics/method.h"
#include "walden/v1/entry.pb.h"
#include "walden/v1/wal.pb.h"

namespace walden {

struct AppendRpc {
  using Request = v1::AppendRequest;
  using Response = v1::AppendResponse;
  using StreamRequest = v1::AppendStreamRequest;
  using StreamResponse = v1::AppendStreamResponse;

  static constexpr Method kUnary = Method::kAppend;
  static constexpr Method kStream = Method::kAppendStream;

  // Of the batches in a stream's message.
  static constexpr absl::string_view kField = "append";
  using Streamed = v1::StreamedAppend;
  using StreamedResult = v1::StreamedAppendResult;
  static const auto& BatchesOf(const StreamRequest& message) { return message.appends(); }
  static bool HasBatch(const Streamed& streamed) { return streamed.has_append(); }
  static const Request& BatchOf(const Streamed& streamed) { return streamed.append(); }
  static Response* Accepted(StreamedResult& result) { return result.mutable_response(); }

  static absl::StatusOr<RegionKey> Prepare(const Request& request, const Call& call,
                                           const RequestLimits& limits, AppendJob& job) {
    return PrepareAppend(request, call, limits, job);
  }
};

struct PutRpc {
  using Request = v1::PutRequest;
  using Response = v1::PutResponse;
  using StreamRequest = v1::PutStreamRequest;
  using StreamResponse = v1::PutStreamResponse;

  static constexpr Method kUnary = Method::kPut;
  static constexpr Method kStream = Method::kPutStream;

  static constexpr absl::string_view kField = "put";
  using Streamed = v1::StreamedPut;
  using StreamedResult = v1::StreamedPutResult;
  static const auto& BatchesOf(const StreamRequest& message) { return message.puts(); }
  static bool HasBatch(const Streamed& streamed) { return streamed.has_put(); }
  static const Request& BatchOf(const Streamed& streamed) { return streamed.put(); }
  static Response* Accepted(StreamedResult& result) { return result.mutable_response(); }

  static absl::StatusOr<RegionKey> Prepare(const Request& request, const Call& call,
                                           const RequestLimits& limits, AppendJob& job) {
    return PreparePut(request, call, limits, job);
  }
};

// The answer to a batch that was accepted.
inline void FillBatchResponse(const AppendBatch& batch, v1::AppendResponse* response) {
  response->mutable_tables()->Reserve(static_cast<int>(batch.tables.size()));
  for (const TableAppend& table : batch.tables) {
    v1::TableRange* const range = response->add_tables();
    range->set_table_id(table.table);
    range->set_first_sequence(table.first);
    range->set_last_sequence(table.last);
  }
  response->set_durable(batch.result.durable);
  response->set_duplicate(batch.result.duplicate);
}

inline void FillBatchResponse(const AppendBatch& batch, v1::PutResponse* response) {
  if (!batch.tables.empty()) {
    response->set_first_sequence(batch.tables.front().first);
    response->set_last_sequence(batch.tables.front().last);
  }
  response->set_durable(batch.result.durable);
  response->set_duplicate(batch.result.duplicate);
}

}  // namespace walden
