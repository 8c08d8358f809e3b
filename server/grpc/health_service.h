// Implements gRPC's health service. gRPC's own, of Debian 12, has no List and no descriptor for server
// reflection.
#pragma once

#include <grpcpp/grpcpp.h>

#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "server/call/live_calls.h"

namespace walden {

// All services have one status: NOT_SERVING, then SERVING, and NOT_SERVING again when the daemon stops.
// Needs no rights. A Watch, which stays open, counts towards limits.max_calls; Check and List are
// answered however many calls are open. Any thread.
class HealthService final : public grpc::health::v1::Health::CallbackService {
 public:
  // `live_calls` outlives the service. `services`: full names of the services that have a status. The
  // daemon as a whole, "", has one too.
  HealthService(LiveCalls& live_calls, const std::vector<std::string>& services);

  // Does nothing after Stop.
  void SetServing() ABSL_LOCKS_EXCLUDED(mutex_);
  // NOT_SERVING from now on.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  using Status = grpc::health::v1::HealthCheckResponse::ServingStatus;
  class WatchStream;

  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* call,
                                  const grpc::health::v1::HealthCheckRequest* request,
                                  grpc::health::v1::HealthCheckResponse* response) override;
  grpc::ServerWriteReactor<grpc::health::v1::HealthCheckResponse>* Watch(
      grpc::CallbackServerContext* call,
      const grpc::health::v1::HealthCheckRequest* request) override;
  grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* call,
                                 const grpc::health::v1::HealthListRequest* request,
                                 grpc::health::v1::HealthListResponse* response) override;

  Status StatusNow() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  void Set(bool serving) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Sends the status now, and each change of it until Remove.
  void Add(WatchStream* stream) ABSL_LOCKS_EXCLUDED(mutex_);
  void Remove(WatchStream* stream) ABSL_LOCKS_EXCLUDED(mutex_);

  LiveCalls& live_calls_;
  std::set<std::string> services_;
  absl::Mutex mutex_;
  bool serving_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_set<WatchStream*> watches_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace walden
