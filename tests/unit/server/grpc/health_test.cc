// gRPC's health service over a real socket.
#include <gmock/gmock.h>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "server/grpc/walden_server.h"
#include "tests/support/memory_engine/memory_engine.h"

namespace walden {
namespace {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;
using grpc::health::v1::HealthListResponse;

HealthCheckRequest HealthOf(const std::string& service) {
  HealthCheckRequest request;
  request.set_service(service);
  return request;
}

// A server whose namespace is open and that has not been told that it serves.
class HealthTest : public ::testing::Test {
 protected:
  HealthTest() { Start(/*max_calls=*/0); }

  void Start(uint64_t max_calls) {
    ServerOptions options;
    options.listen = {"127.0.0.1:0"};
    options.max_calls = max_calls;
    auto ns = std::make_unique<Namespace>();
    ns->id = 1;
    ns->engine = std::make_unique<MemoryEngine>();
    NamespaceSet namespaces;
    namespaces.Add(std::move(ns));
    server_ = WaldenServer::Make(options, std::move(namespaces), nullptr);
    absl::Notification ready;
    EXPECT_TRUE(server_->Serve([&ready] { ready.Notify(); }).ok());
    ready.WaitForNotification();
    health_ = Health::NewStub(
        grpc::CreateChannel(server_->addresses()[0], grpc::InsecureChannelCredentials()));
  }

  static google::rpc::ErrorInfo InfoOf(const grpc::Status& status) {
    google::rpc::Status details;
    google::rpc::ErrorInfo info;
    EXPECT_TRUE(details.ParseFromString(status.error_details()));
    EXPECT_GT(details.details_size(), 0);
    if (details.details_size() > 0) details.details(0).UnpackTo(&info);
    return info;
  }

  grpc::Status Check(const std::string& service, HealthCheckResponse* response) {
    grpc::ClientContext call;
    return health_->Check(&call, HealthOf(service), response);
  }

  HealthCheckResponse::ServingStatus StatusOf(const std::string& service) {
    HealthCheckResponse response;
    EXPECT_TRUE(Check(service, &response).ok());
    return response.status();
  }

  std::unique_ptr<WaldenServer> server_;
  std::unique_ptr<Health::Stub> health_;
};

// What the daemon does between `ready` and SetServing (its HTTP readiness, its start-up line) is done
// before a client that waits for health goes on.
TEST_F(HealthTest, IsServingOnceTheServerIsToldSo) {
  for (const char* const service : {"", "walden.v1.WalService", "walden.v1.EntryService"}) {
    EXPECT_EQ(StatusOf(service), HealthCheckResponse::NOT_SERVING);
  }
  server_->SetServing();
  for (const char* const service : {"", "walden.v1.WalService", "walden.v1.EntryService"}) {
    EXPECT_EQ(StatusOf(service), HealthCheckResponse::SERVING);
  }
}

TEST_F(HealthTest, ListHasEveryService) {
  server_->SetServing();
  grpc::ClientContext call;
  HealthListResponse response;
  ASSERT_TRUE(health_->List(&call, {}, &response).ok());
  std::vector<std::string> services;
  for (const auto& [service, status] : response.statuses()) {
    services.push_back(service);
    EXPECT_EQ(status.status(), HealthCheckResponse::SERVING);
  }
  EXPECT_THAT(services,
              ::testing::UnorderedElementsAre("", "walden.v1.WalService", "walden.v1.EntryService",
                                              "walden.v1.AdminService"));
}

TEST_F(HealthTest, AnUnknownServiceIsNotFoundByCheckAndUnknownToWatch) {
  HealthCheckResponse response;
  EXPECT_EQ(Check("no.such.Service", &response).error_code(), grpc::StatusCode::NOT_FOUND);
  grpc::ClientContext call;
  const auto stream = health_->Watch(&call, HealthOf("no.such.Service"));
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVICE_UNKNOWN);
  call.TryCancel();
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(HealthTest, WatchSendsTheStatusNowAndEachChangeOfIt) {
  grpc::ClientContext call;
  const auto stream = health_->Watch(&call, HealthOf(""));
  HealthCheckResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
  server_->SetServing();
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  EXPECT_TRUE(server_->Stop(absl::Seconds(60)).ok());
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_FALSE(stream->Finish().ok());
  server_->SetServing();  // too late: nothing happens
}

TEST_F(HealthTest, WatchesCountTowardsTheLimitOfCallsAndChecksDoNot) {
  constexpr size_t kLimit = 3;
  Start(kLimit);
  struct Watching {
    grpc::ClientContext call;
    std::unique_ptr<grpc::ClientReader<HealthCheckResponse>> stream;
  };
  std::vector<std::unique_ptr<Watching>> watches;
  HealthCheckResponse response;
  const auto watch = [&](const std::string& service) -> Watching& {
    watches.push_back(std::make_unique<Watching>());
    watches.back()->stream = health_->Watch(&watches.back()->call, HealthOf(service));
    return *watches.back();
  };
  // Also one for a service that does not exist, which stays open as the others do.
  for (const char* const service : {"", "no.such.Service", "walden.v1.WalService"}) {
    ASSERT_TRUE(watch(service).stream->Read(&response));
  }
  for (int i = 0; i < 10; ++i) {
    Watching& refused = watch("");
    ASSERT_FALSE(refused.stream->Read(&response));
    const grpc::Status status = refused.stream->Finish();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    const google::rpc::ErrorInfo info = InfoOf(status);
    EXPECT_EQ(info.reason(), "TOO_MANY_CALLS");
    EXPECT_EQ(info.metadata().at("field"), "limits.max_calls");
    EXPECT_EQ(info.metadata().at("limit"), "3");
  }
  EXPECT_EQ(StatusOf(""), HealthCheckResponse::NOT_SERVING) << "a check is answered all the same";
  grpc::ClientContext list_call;
  HealthListResponse list;
  EXPECT_TRUE(health_->List(&list_call, {}, &list).ok());
  // The place of a watch that ended is free, once the server has noticed.
  watches[0]->call.TryCancel();
  watches[0]->stream->Finish();
  bool is_free = false;
  for (int i = 0; i < 1000 && !is_free; ++i) {
    is_free = watch("").stream->Read(&response);
    if (!is_free) absl::SleepFor(absl::Milliseconds(10));
  }
  EXPECT_TRUE(is_free);
}

// A shutdown waits for calls that take requests, and not for those who watch health.
TEST_F(HealthTest, AWatchIsNotWaitedForWhenTheServerStops) {
  grpc::ClientContext call;
  const auto stream = health_->Watch(&call, HealthOf(""));
  HealthCheckResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_TRUE(server_->Stop(absl::InfiniteDuration()).ok());
  EXPECT_FALSE(stream->Read(&response)) << "it was never told that it serves";
  EXPECT_FALSE(stream->Finish().ok());
}

}  // namespace
}  // namespace walden
