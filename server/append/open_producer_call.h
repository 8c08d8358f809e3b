// OpenProducer: one call, one job of the region's actor.
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
class OpenProducerCall final : public grpc::ServerUnaryReactor, private OpenProducerJob {
 public:
  OpenProducerCall(const CallAdmission& admission, RegionRegistry& registry,
                   const grpc::CallbackServerContext& call, const v1::OpenProducerRequest& request,
                   v1::OpenProducerResponse* response)
      : call_(admission, Method::kOpenProducer, call), response_(response) {
    const absl::StatusOr<EnteredRegion> entered =
        call_.EnterRegion(request.namespace_id(), request.region_id());
    absl::Status status = entered.status();
    if (status.ok()) status = TakeRegionVersion(request, region_version);
    if (!status.ok()) {
      Finish(call_.End(status));
      return;
    }
    registry.Submit(entered->key, this);
  }

 private:
  absl::Status Abandoned() const override { return call_.Abandoned(); }
  void OnAnswered() override {
    if (result.ok()) response_->set_producer_id(*result);
    Finish(call_.End(result.status()));
  }
  void OnDone() override { delete this; }

  const Call call_;
  v1::OpenProducerResponse* const response_;
};

}  // namespace walden
