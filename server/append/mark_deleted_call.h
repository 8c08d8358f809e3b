// MarkDeleted: one call, one job of the region's actor, in order with its appends.
#pragma once

#include <grpcpp/grpcpp.h>

#include "server/call/call.h"
#include "server/call/call_admission.h"
#include "server/region/mailbox_job.h"
#include "server/region/region_registry.h"
#include "walden/v1/wal.pb.h"

namespace walden {

// Deletes itself when gRPC is done with it.
class MarkDeletedCall final : public grpc::ServerUnaryReactor, private MarkDeletedJob {
 public:
  MarkDeletedCall(const CallAdmission& admission, RegionRegistry& registry,
                  const grpc::CallbackServerContext& call, const v1::MarkDeletedRequest& request,
                  v1::MarkDeletedResponse* response)
      : call_(admission, Method::kMarkDeleted, call), response_(response) {
    const absl::StatusOr<EnteredRegion> entered =
        call_.EnterRegion(request.namespace_(), request.region_id());
    if (!entered.ok()) {
      Finish(call_.End(entered.status()));
      return;
    }
    table = request.table_id();
    through = request.through_sequence();
    if (request.has_region_version()) region_version = request.region_version();
    registry.Submit(entered->key, this);
  }

 private:
  void OnAnswered() override {
    if (result.ok()) response_->set_deleted_through(*result);
    Finish(call_.End(result.status()));
  }
  void OnDone() override { delete this; }

  const Call call_;
  v1::MarkDeletedResponse* const response_;
};

}  // namespace walden
