// Append: one call, one batch.
#pragma once

#include <grpcpp/grpcpp.h>

#include "server/mailbox_job.h"
#include "server/rpc_context.h"
#include "walden/v1/wal.pb.h"

namespace walden {

// Deletes itself when gRPC is done with it. Request and response belong to gRPC until then, so the
// batch points into the request.
class AppendCall final : public grpc::ServerUnaryReactor, private AppendJob {
 public:
  AppendCall(const RpcContext& context, const v1::AppendRequest& request,
             v1::AppendResponse* response);

 private:
  void OnAnswered() override;
  void OnDone() override { delete this; }

  const CallCount count_;
  v1::AppendResponse* const response_;
};

void FillAppendResponse(const AppendResult& result, v1::AppendResponse* response);

}  // namespace walden
