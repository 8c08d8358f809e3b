// MarkDeleted: one call, one job of the region's actor, in order with its appends.
#pragma once

#include <grpcpp/grpcpp.h>

#include "server/error_mapping.h"
#include "server/mailbox_job.h"
#include "server/rpc_context.h"
#include "server/validation.h"
#include "walden/v1/wal.pb.h"

namespace walden {

// Deletes itself when gRPC is done with it.
class MarkDeletedCall final : public grpc::ServerUnaryReactor, private MarkDeletedJob {
 public:
  MarkDeletedCall(const RpcContext& context, const v1::MarkDeletedRequest& request,
                  v1::MarkDeletedResponse* response)
      : count_(context.live_calls), response_(response) {
    if (context.live_calls->shutting_down()) {
      Finish(ToGrpcStatus(LiveCalls::ShuttingDownError()));
      return;
    }
    const absl::StatusOr<RegionKey> key =
        CheckRegion(context.registry->namespaces(), request.namespace_(), request.region_id());
    if (!key.ok()) {
      Finish(ToGrpcStatus(key.status()));
      return;
    }
    table = request.table_id();
    through = request.through_sequence();
    if (request.has_region_version()) region_version = request.region_version();
    context.registry->Submit(*key, this);
  }

 private:
  void OnAnswered() override {
    if (result.ok()) response_->set_deleted_through(*result);
    Finish(ToGrpcStatus(result.status()));
  }
  void OnDone() override { delete this; }

  const CallCount count_;
  v1::MarkDeletedResponse* const response_;
};

}  // namespace walden
