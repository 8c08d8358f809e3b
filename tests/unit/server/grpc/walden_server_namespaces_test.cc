// Several namespaces in one server.
#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "tests/unit/server/grpc/walden_server_fixture.h"

namespace walden {
namespace {

class NamespacesTest : public WaldenServerTest {
 protected:
  static constexpr uint64_t kHanging = 2;

  void StartTwo() {
    server_ = nullptr;
    NamespaceSet namespaces;
    for (const NamespaceId id : {NamespaceId{1}, NamespaceId{kHanging}}) {
      auto ns = std::make_unique<Namespace>();
      ns->id = id;
      ns->name = id == kHanging ? "hanging" : "data";
      auto engine = std::make_unique<MemoryEngine>(engine_options_);
      if (id == kHanging) hanging_ = engine.get();
      ns->engine = std::move(engine);
      namespaces.Add(std::move(ns));
    }
    absl::StatusOr<std::unique_ptr<WaldenServer>> server =
        WaldenServer::Start(options_, std::move(namespaces), nullptr);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    channel_ = grpc::CreateChannel(server_->addresses()[0], grpc::InsecureChannelCredentials());
    wal_ = v1::WalService::NewStub(channel_);
  }
  grpc::Status AppendTo(uint32_t ns, uint64_t region, absl::Duration deadline) {
    v1::AppendRequest request;
    request.set_namespace_id(ns);
    request.set_region_id(region);
    v1::TableAppend* const part = request.add_tables();
    part->set_table_id(1);
    part->add_payloads("x");
    v1::AppendResponse response;
    grpc::ClientContext call;
    call.set_deadline(absl::ToChronoTime(absl::Now() + deadline));
    return wal_->Append(&call, request, &response);
  }

  MemoryEngine* hanging_ = nullptr;
};

TEST_F(NamespacesTest, ADiskThatHangsUnderOneTakesNoThreadsOfAnother) {
  options_.workers = 1;
  StartTwo();
  constexpr int kRegions = 8;  // more than any pool here has threads
  Gate gate;
  for (uint64_t region = 1; region <= kRegions; ++region) {
    hanging_->Region(region)->SetInCommit([&gate] { gate.Pass(); });
  }
  std::vector<std::thread> callers;
  for (uint64_t region = 1; region <= kRegions; ++region) {
    callers.emplace_back(
        [this, region] { (void)AppendTo(kHanging, region, absl::InfiniteDuration()); });
  }
  gate.AwaitArrivals(2);
  for (int i = 0; i < 20; ++i) {
    const grpc::Status status = AppendTo(1, 1, absl::Seconds(60));
    EXPECT_TRUE(status.ok()) << status.error_message();
  }
  gate.Open();
  for (std::thread& caller : callers) caller.join();
}

}  // namespace
}  // namespace walden
