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

  // Of the batch in a stream's request.
  static constexpr absl::string_view kField = "append";
  static bool HasBatch(const StreamRequest& request) { return request.has_append(); }
  static const Request& BatchOf(const StreamRequest& request) { return request.append(); }
  static Response* Accepted(StreamResponse& response) { return response.mutable_appended(); }

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
  static bool HasBatch(const StreamRequest& request) { return request.has_put(); }
  static const Request& BatchOf(const StreamRequest& request) { return request.put(); }
  static Response* Accepted(StreamResponse& response) { return response.mutable_done(); }

  static absl::StatusOr<RegionKey> Prepare(const Request& request, const Call& call,
                                           const RequestLimits& limits, AppendJob& job) {
    return PreparePut(request, call, limits, job);
  }
};

template <typename Response>
void FillBatchResponse(const AppendResult& result, Response* response) {
  response->set_first_sequence(result.first);
  response->set_last_sequence(result.last);
  response->set_durable(result.durable);
  response->set_duplicate(result.duplicate);
}

}  // namespace walden
