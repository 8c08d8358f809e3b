#include "server/append_call.h"

#include "server/error_mapping.h"
#include "server/validation.h"

namespace walden {

template <typename Rpc>
BatchCall<Rpc>::BatchCall(const RpcContext& context, const typename Rpc::Request& request,
                          typename Rpc::Response* response)
    : count_(context.live_calls), response_(response) {
  if (context.live_calls->shutting_down()) {
    Finish(ToGrpcStatus(LiveCalls::ShuttingDownError()));
    return;
  }
  const absl::StatusOr<RegionKey> key = Rpc::Prepare(request, context, *this);
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

template <typename Rpc>
void BatchCall<Rpc>::OnAnswered() {
  const AppendResult& result = batch.result;
  if (!result.status.ok()) {
    Finish(ToGrpcStatus(result.status));
    return;
  }
  FillBatchResponse(result, response_);
  Finish(grpc::Status::OK);
}

template class BatchCall<AppendRpc>;
template class BatchCall<PutRpc>;

}  // namespace walden
