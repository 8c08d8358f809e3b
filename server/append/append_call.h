// Append and Put: one call, one batch.
#pragma once

#include <grpcpp/grpcpp.h>

#include "server/append/append_environment.h"
#include "server/append/append_rpc.h"
#include "server/call/call.h"
#include "server/region/mailbox_job.h"

namespace walden {

// Deletes itself when gRPC is done with it. The batch points into the request, or into what the job
// encoded from it. `Rpc` is AppendRpc or PutRpc.
template <typename Rpc>
class BatchCall final : public grpc::ServerUnaryReactor, private AppendJob {
 public:
  // Frees the bytes of `request`, which gRPC would keep until the call ends.
  BatchCall(const AppendEnvironment& environment, const grpc::CallbackServerContext& call,
            grpc::ByteBuffer& request, grpc::ByteBuffer* response);

 private:
  absl::Status Abandoned() const override { return call_.Abandoned(); }
  void OnAnswered() override;
  void OnDone() override { delete this; }

  absl::StatusOr<RegionKey> Prepare(const RequestLimits& limits, grpc::ByteBuffer& bytes);

  const Call call_;
  typename Rpc::Request request_;
  grpc::ByteBuffer* const response_;
};

using AppendCall = BatchCall<AppendRpc>;
using PutCall = BatchCall<PutRpc>;

}  // namespace walden
