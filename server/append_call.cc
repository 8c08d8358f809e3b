#include "server/append_call.h"

#include "server/error_mapping.h"
#include "server/validation.h"

namespace walden {

void FillAppendResponse(const AppendResult& result, v1::AppendResponse* response) {
  response->set_first_sequence(result.first);
  response->set_last_sequence(result.last);
  response->set_durable(result.durable);
  response->set_duplicate(result.duplicate);
}

AppendCall::AppendCall(const RpcContext& context, const v1::AppendRequest& request,
                       v1::AppendResponse* response)
    : count_(context.live_calls), response_(response) {
  if (context.live_calls->shutting_down()) {
    Finish(ToGrpcStatus(LiveCalls::ShuttingDownError()));
    return;
  }
  const absl::StatusOr<RegionKey> key = PrepareAppend(request, context, *this);
  if (!key.ok()) {
    Statistics::Add(context.statistics->refused_batches, 1);
    Finish(ToGrpcStatus(key.status()));
    return;
  }
  LeadingTurn lead;
  context.registry->Submit(*key, this, context.unary_may_lead ? &lead : nullptr);
  // This call's own answer leaves only after this returns, so one group and no more.
  lead.Run(/*max_groups=*/1);
}

void AppendCall::OnAnswered() {
  const AppendResult& result = batch.result;
  if (!result.status.ok()) {
    Finish(ToGrpcStatus(result.status));
    return;
  }
  FillAppendResponse(result, response_);
  Finish(grpc::Status::OK);
}

}  // namespace walden
