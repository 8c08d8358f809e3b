#include "server/grpc/health_service.h"

#include "server/call/call.h"
#include "server/call/error_to_proto.h"

namespace walden {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;
using grpc::health::v1::HealthListRequest;
using grpc::health::v1::HealthListResponse;

// Deletes itself when gRPC is done with it. While a status is being sent, later ones replace each other.
// A shutdown does not wait for it.
class HealthService::WatchStream final : public grpc::ServerWriteReactor<HealthCheckResponse> {
 public:
  explicit WatchStream(HealthService* service) : service_(*service) {
    service_.live_calls_.LimitIn();
  }
  ~WatchStream() override { service_.live_calls_.LimitOut(); }

  // Finishes the stream unless that has been done.
  void End(const grpc::Status& status) ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      absl::MutexLock lock(&mutex_);
      if (finished_) return;
      finished_ = true;
    }
    Finish(status);
  }

  void Send(Status status) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    latest_ = status;
    SendLatest();
  }

 private:
  // gRPC's threads.
  void OnWriteDone(bool ok) override {
    if (!ok) {
      End(grpc::Status::CANCELLED);
      return;
    }
    absl::MutexLock lock(&mutex_);
    sending_ = false;
    SendLatest();
  }

  void OnCancel() override { End(grpc::Status::CANCELLED); }

  void OnDone() override {
    service_.Remove(this);
    delete this;
  }

  void SendLatest() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (finished_ || sending_ || (sent_any_ && latest_ == response_.status())) return;
    sent_any_ = true;
    sending_ = true;
    response_.set_status(latest_);
    StartWrite(&response_);
  }

  HealthService& service_;
  absl::Mutex mutex_;
  Status latest_ ABSL_GUARDED_BY(mutex_) = HealthCheckResponse::UNKNOWN;
  HealthCheckResponse response_;  // the latest that was given to gRPC
  bool sent_any_ ABSL_GUARDED_BY(mutex_) = false;
  bool sending_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

HealthService::HealthService(LiveCalls& live_calls, const std::vector<std::string>& services)
    : live_calls_(live_calls), services_(services.begin(), services.end()) {
  services_.insert("");
}

void HealthService::SetServing() {
  absl::MutexLock lock(&mutex_);
  if (!stopped_) Set(true);
}

void HealthService::Stop() {
  absl::MutexLock lock(&mutex_);
  stopped_ = true;
  Set(false);
}

HealthService::Status HealthService::StatusNow() const {
  return serving_ ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
}

void HealthService::Set(bool serving) {
  serving_ = serving;
  for (WatchStream* const stream : watches_) stream->Send(StatusNow());
}

void HealthService::Add(WatchStream* stream) {
  absl::MutexLock lock(&mutex_);
  watches_.insert(stream);
  stream->Send(StatusNow());
}

void HealthService::Remove(WatchStream* stream) {
  absl::MutexLock lock(&mutex_);
  watches_.erase(stream);
}

grpc::ServerUnaryReactor* HealthService::Check(grpc::CallbackServerContext* call,
                                               const HealthCheckRequest* request,
                                               HealthCheckResponse* response) {
  grpc::ServerUnaryReactor* const reactor = call->DefaultReactor();
  if (services_.count(request->service()) == 0) {
    reactor->Finish(grpc::Status(grpc::StatusCode::NOT_FOUND, "there is no such service"));
    return reactor;
  }
  {
    absl::MutexLock lock(&mutex_);
    response->set_status(StatusNow());
  }
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerWriteReactor<HealthCheckResponse>* HealthService::Watch(
    grpc::CallbackServerContext*, const HealthCheckRequest* request) {
  auto* const stream = new WatchStream(this);
  if (live_calls_.TooMany()) {
    stream->End(ToGrpcStatus(TooManyCalls(live_calls_.max_calls())));
  } else if (services_.count(request->service()) == 0) {
    stream->Send(HealthCheckResponse::SERVICE_UNKNOWN);
  } else {
    Add(stream);
  }
  return stream;
}

grpc::ServerUnaryReactor* HealthService::List(grpc::CallbackServerContext* call,
                                              const HealthListRequest*,
                                              HealthListResponse* response) {
  {
    absl::MutexLock lock(&mutex_);
    for (const std::string& service : services_) {
      (*response->mutable_statuses())[service].set_status(StatusNow());
    }
  }
  grpc::ServerUnaryReactor* const reactor = call->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

}  // namespace walden
