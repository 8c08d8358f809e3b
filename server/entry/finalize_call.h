// Finalize: one call, one job of the region's actor, in order with its appends.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/call/call.h"
#include "server/call/call_admission.h"
#include "server/region/mailbox_job.h"
#include "server/region/region_actor.h"
#include "server/region/region_registry.h"
#include "walden/v1/entry.pb.h"

namespace walden {

// Deletes itself when gRPC is done with it.
class FinalizeCall final : public grpc::ServerUnaryReactor, private MarkDeletedJob {
 public:
  FinalizeCall(const CallAdmission& admission, RegionRegistry& registry,
               const grpc::CallbackServerContext& call, const v1::FinalizeRequest& request,
               v1::FinalizeResponse* response);

 private:
  absl::Status Abandoned() const override { return call_.Abandoned(); }
  void OnAnswered() override;
  void OnDone() override { delete this; }

  void Find(const absl::StatusOr<std::shared_ptr<RegionActor>>& actor);
  void Submit(const std::shared_ptr<RegionActor>& actor, const absl::Status& ready);

  const Call call_;
  v1::FinalizeResponse* const response_;
};

}  // namespace walden
