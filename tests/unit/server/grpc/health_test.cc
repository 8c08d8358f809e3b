// gRPC's health service over a real socket.
#include <gmock/gmock.h>

#include "absl/synchronization/notification.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "server/grpc/walden_server.h"
#include "tests/unit/server/memory_engine.h"

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
  HealthTest() {
    ServerOptions options;
    options.listen = {"127.0.0.1:0"};
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

}  // namespace
}  // namespace walden
