// MarkDeleted: jobs of the region's actor with some of the marks each, one after the other, so that
// appends go on in between.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/append/append_environment.h"
#include "server/call/call.h"
#include "server/region/mailbox_job.h"
#include "server/region/region_key.h"
#include "walden/v1/wal.pb.h"

namespace walden {

// Deletes itself when gRPC is done with it.
class MarkDeletedCall final : public grpc::ServerUnaryReactor, private MarkDeletedJob {
 public:
  MarkDeletedCall(const AppendEnvironment& environment, const grpc::CallbackServerContext& call,
                  const v1::MarkDeletedRequest& request, v1::MarkDeletedResponse* response);

 private:
  absl::Status Abandoned() const override { return call_.Abandoned(); }
  void OnAnswered() override;
  void OnDone() override { delete this; }

  absl::Status CheckRequest() const;
  void MarkNext();
  void SubmitToAsked(const absl::StatusOr<std::shared_ptr<RegionActor>>& actor);
  absl::Status FindNumbers(const ReadableLog& log);

  const AppendEnvironment& environment_;
  const Call call_;
  const v1::MarkDeletedRequest& request_;
  v1::MarkDeletedResponse* const response_;
  RegionKey key_;
  const LogEngine* engine_ = nullptr;
  int end_ = 0;  // of the marks that the job under way has, in the request
};

}  // namespace walden
