// FenceRegion: one call, one job of the region's actor.
#pragma once

#include <grpcpp/grpcpp.h>

#include "server/call/call.h"
#include "server/call/call_admission.h"
#include "server/call/request_checks.h"
#include "server/region/mailbox_job.h"
#include "server/region/region_registry.h"
#include "walden/v1/wal.pb.h"

namespace walden {

// Deletes itself when gRPC is done with it.
class FenceRegionCall final : public grpc::ServerUnaryReactor, private FenceJob {
 public:
  FenceRegionCall(const CallAdmission& admission, RegionRegistry& registry,
                  const grpc::CallbackServerContext& call, const v1::FenceRegionRequest& request)
      : call_(admission, Method::kFenceRegion, call) {
    const absl::StatusOr<EnteredRegion> entered =
        call_.EnterRegion(request.namespace_id(), request.region_id());
    absl::Status status = entered.status();
    if (status.ok() && request.region_version() == 0) {
      status = InvalidField("region_version", "0", "must be at least 1");
    }
    if (!status.ok()) {
      Finish(call_.End(status));
      return;
    }
    region_version = request.region_version();
    registry.Submit(entered->key, this);
  }

 private:
  absl::Status Abandoned() const override { return call_.Abandoned(); }
  void OnAnswered() override { Finish(call_.End(result)); }
  void OnDone() override { delete this; }

  const Call call_;
};

}  // namespace walden
