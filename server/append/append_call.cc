#include "server/append/append_call.h"

#include "server/call/request_checks.h"

namespace walden {

template <typename Rpc>
BatchCall<Rpc>::BatchCall(const AppendEnvironment& environment,
                          const grpc::CallbackServerContext& call,
                          const typename Rpc::Request& request, typename Rpc::Response* response)
    : call_(environment.admission, Rpc::kUnary, call), response_(response) {
  const absl::StatusOr<RegionKey> key = Rpc::Prepare(request, call_, environment.limits, *this);
  if (!key.ok()) {
    Statistics::Add(environment.admission.statistics.refused_batches, 1);
    Finish(call_.End(key.status()));
    return;
  }
  tenant = &call_.tenant();
  LeadingTurn lead;
  environment.registry.Submit(*key, this, environment.may_lead.unary ? &lead : nullptr);
  // This call's own answer leaves only after this returns, so one group and no more.
  lead.Run(/*max_groups=*/1);
}

template <typename Rpc>
void BatchCall<Rpc>::OnAnswered() {
  if (batch.result.status.ok()) FillBatchResponse(batch, response_);
  Finish(call_.End(batch.result.status));
}

template class BatchCall<AppendRpc>;
template class BatchCall<PutRpc>;

}  // namespace walden
