#include "server/append/append_call.h"

#include "server/call/parse_request.h"
#include "server/call/request_checks.h"

namespace walden {

template <typename Rpc>
BatchCall<Rpc>::BatchCall(const AppendEnvironment& environment,
                          const grpc::CallbackServerContext& call, grpc::ByteBuffer& request,
                          grpc::ByteBuffer* response)
    : call_(environment.admission, Rpc::kUnary, call), response_(response) {
  const absl::StatusOr<RegionKey> key = Prepare(environment.limits, request);
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
absl::StatusOr<RegionKey> BatchCall<Rpc>::Prepare(const RequestLimits& limits,
                                                  grpc::ByteBuffer& bytes) {
  const absl::Status parsed = ParseRequest(call_, bytes, &request_, limits.max_parsed_bytes);
  bytes.Clear();
  if (!parsed.ok()) return parsed;
  return Rpc::Prepare(request_, call_, limits, *this);
}

template <typename Rpc>
void BatchCall<Rpc>::OnAnswered() {
  if (batch.result.status.ok()) {
    typename Rpc::Response response;
    FillBatchResponse(batch, &response);
    *response_ = ToBytes(response);
  }
  Finish(call_.End(batch.result.status));
}

template class BatchCall<AppendRpc>;
template class BatchCall<PutRpc>;

}  // namespace walden
