#include "server/admin/admin_service.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "tests/support/memory_engine/memory_engine.h"
#include "tests/unit/server/region/manual_executor.h"

namespace walden {
namespace {

NamespaceSet NamespaceForAdmin() {
  auto ns = std::make_unique<Namespace>();
  ns->id = 1;
  ns->name = "data";
  ns->engine = std::make_unique<MemoryEngine>();
  NamespaceSet namespaces;
  namespaces.Add(std::move(ns));
  return namespaces;
}

// The service with what it uses and nothing else: no region is opened, and no task runs.
class AdminServiceTest : public ::testing::Test {
 protected:
  ManualExecutor executor_;
  ManualClock clock_;
  Statistics statistics_;
  RegionEvents events_;
  LiveCalls live_calls_;
  Tenants tenants_{&clock_};
  ReaderBudget reader_budget_{100, absl::Seconds(1), &clock_};
  entry::EntryMemory entry_memory_{entry::EntryMemoryLimits{.total_bytes = 800}};
  RetentionPolicies retention_;
  RegionRegistry registry_{
      RegistryOptions{.mailbox_bytes = 300}, NamespaceForAdmin(),
      RegistryEnvironment{&clock_, &executor_, &executor_, &statistics_, &events_}};
  const absl::Duration started_ = clock_.Now();
  AdminService service_{AdminEnvironment{.admission = {.namespaces = registry_.namespaces(),
                                                       .live_calls = live_calls_,
                                                       .tenants = tenants_,
                                                       .statistics = statistics_,
                                                       .clock = clock_},
                                         .registry = registry_,
                                         .retention = retention_,
                                         .readers = executor_,
                                         .background = executor_,
                                         .maintenance = executor_,
                                         .figures = {.version = "1.2.3",
                                                     .started = started_,
                                                     .reader_budget = reader_budget_,
                                                     .entry_memory = entry_memory_,
                                                     .limits = {.max_batch_bytes = 400}}}};
};

TEST_F(AdminServiceTest, StatisticsAreThoseOfThePartsThatItWasGiven) {
  grpc::ServerBuilder builder;
  builder.RegisterService(&service_);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  const auto stub = v1::AdminService::NewStub(server->InProcessChannel({}));
  Statistics::Add(statistics_.appended_records, 5);
  clock_.Advance(absl::Seconds(3));
  grpc::ClientContext call;
  v1::GetStatisticsResponse response;
  ASSERT_TRUE(stub->GetStatistics(&call, {}, &response).ok());
  EXPECT_EQ(response.uptime().seconds(), 3);
  EXPECT_EQ(response.appended_record_count(), 5u);
  EXPECT_EQ(response.reader_limit_bytes(), 100u);
  EXPECT_EQ(response.entry_memory_limit_bytes(), 700u);
  EXPECT_EQ(response.mailbox_limit_bytes(), 300u);
  grpc::ClientContext info_call;
  v1::GetServerInfoResponse info;
  ASSERT_TRUE(stub->GetServerInfo(&info_call, {}, &info).ok());
  EXPECT_EQ(info.version(), "1.2.3");
  EXPECT_EQ(info.limits().max_batch_bytes(), 400u);
  server->Shutdown();
}

}  // namespace
}  // namespace walden
