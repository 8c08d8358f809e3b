// AdminService, starting and stopping over a real socket.
#include "server/grpc/walden_server.h"

#include <gmock/gmock.h>

#include <thread>

#include "base/error.h"
#include "tests/unit/server/grpc/walden_server_fixture.h"

namespace walden {
namespace {

using AdminTest = WaldenServerTest;
using StopTest = WaldenServerTest;

TEST_F(AdminTest, ListsNamespacesAndRegions) {
  ASSERT_TRUE(Append(3, 1, {"a"}).ok());
  engine_->Region(9);
  engine_->FailOpening(9, MakeError(absl::StatusCode::kDataLoss, ErrorReason::kCorruption, "hole"));
  v1::ReadResponse ignored;
  EXPECT_EQ(Read(ReadOf(9, 1), &ignored).error_code(), grpc::StatusCode::DATA_LOSS);
  grpc::ClientContext call;
  v1::ListNamespacesResponse namespaces;
  ASSERT_TRUE(admin_->ListNamespaces(&call, {}, &namespaces).ok());
  ASSERT_EQ(namespaces.namespaces_size(), 1);
  EXPECT_EQ(namespaces.namespaces(0).engine(), "memory");
  EXPECT_TRUE(namespaces.namespaces(0).is_default());
  EXPECT_EQ(namespaces.namespaces(0).region_count(), 2u);
  grpc::ClientContext second_call;
  v1::ListRegionsResponse regions;
  ASSERT_TRUE(admin_->ListRegions(&second_call, {}, &regions).ok());
  ASSERT_EQ(regions.regions_size(), 2);
  EXPECT_EQ(regions.regions(0).region_id(), 3u);
  EXPECT_EQ(regions.regions(0).state(), v1::RegionInfo::STATE_OPEN);
  EXPECT_FALSE(regions.regions(1).has_usage());
  EXPECT_EQ(regions.regions(1).state(), v1::RegionInfo::STATE_BROKEN);
  EXPECT_NE(regions.regions(1).error().message().find("hole"), std::string::npos);
  EXPECT_FALSE(regions.regions(0).has_error());
}

TEST_F(AdminTest, DescribesARegionAndItsTables) {
  ASSERT_TRUE(Append(3, 1, {"a", "b"}).ok());
  v1::DescribeRegionRequest request;
  request.set_region_id(3);
  v1::DescribeRegionResponse response;
  grpc::ClientContext call;
  ASSERT_TRUE(admin_->DescribeRegion(&call, request, &response).ok());
  EXPECT_EQ(response.info().state(), v1::RegionInfo::STATE_OPEN);
  ASSERT_EQ(response.state().tables_size(), 1);
  EXPECT_EQ(response.state().tables(0).position().next_sequence(), 3u);
  request.set_region_id(4);
  grpc::ClientContext second_call;
  EXPECT_EQ(admin_->DescribeRegion(&second_call, request, &response).error_code(),
            grpc::StatusCode::NOT_FOUND);
  v1::GetTablePositionRequest next;
  next.set_region_id(4);
  v1::GetTablePositionResponse position;
  grpc::ClientContext third_call;
  ASSERT_TRUE(admin_->GetTablePosition(&third_call, next, &position).ok());
  EXPECT_EQ(position.position().next_sequence(), 1u);
}

TEST_F(AdminTest, SyncsClosesAndDrops) {
  v1::AppendRequest append;
  append.set_region_id(3);
  append.add_tables()->add_payloads("a");
  append.set_durability(v1::DURABILITY_BUFFERED);
  v1::AppendResponse appended;
  grpc::ClientContext call;
  ASSERT_TRUE(wal_->Append(&call, append, &appended).ok());
  EXPECT_FALSE(appended.durable());
  v1::SyncRegionRequest sync;
  sync.set_region_id(3);
  v1::SyncRegionResponse synced;
  grpc::ClientContext sync_call;
  ASSERT_TRUE(admin_->SyncRegion(&sync_call, sync, &synced).ok());
  v1::CloseRegionRequest close;
  close.set_region_id(3);
  v1::CloseRegionResponse closed;
  grpc::ClientContext close_call;
  ASSERT_TRUE(admin_->CloseRegion(&close_call, close, &closed).ok());
  EXPECT_TRUE(closed.was_open());
  v1::DropRegionRequest drop;
  drop.set_region_id(3);
  v1::DropRegionResponse dropped;
  grpc::ClientContext slip_call;
  EXPECT_EQ(admin_->DropRegion(&slip_call, drop, &dropped).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  drop.set_confirm_region_id(3);
  grpc::ClientContext nameless_call;
  EXPECT_EQ(ReasonOf(admin_->DropRegion(&nameless_call, drop, &dropped)), "INVALID_FIELD");
  EXPECT_FALSE(engine_->ListRegions()->empty());
  drop.set_namespace_id(1);
  grpc::ClientContext drop_call;
  ASSERT_TRUE(admin_->DropRegion(&drop_call, drop, &dropped).ok());
  EXPECT_TRUE(dropped.existed());
  EXPECT_TRUE(engine_->ListRegions()->empty());
}

TEST_F(AdminTest, VerifiesOpenAndBrokenRegions) {
  ASSERT_TRUE(Append(3, 1, {"a", "b"}).ok());
  engine_->Region(9);
  engine_->FailOpening(9, MakeError(absl::StatusCode::kDataLoss, ErrorReason::kCorruption, "hole"));
  for (const uint64_t region : {3, 9, 100}) {
    v1::VerifyRegionRequest request;
    request.set_region_id(region);
    grpc::ClientContext call;
    const auto stream = admin_->VerifyRegion(&call, request);
    v1::VerifyRegionResponse response;
    int findings = 0;
    v1::VerifyRegionResponse last;
    while (stream->Read(&response)) {
      EXPECT_FALSE(last.has_summary());
      findings += response.findings_size();
      last = response;
    }
    EXPECT_TRUE(stream->Finish().ok());
    ASSERT_TRUE(last.has_summary());
    EXPECT_EQ(last.summary().finding_count(), static_cast<uint64_t>(findings));
    EXPECT_EQ(findings, region == 9 ? 1 : 0);
  }
}

TEST_F(AdminTest, TellsItsLimitsOfMemory) {
  const v1::GetStatisticsResponse statistics = Statistics();
  EXPECT_EQ(statistics.mailbox_limit_bytes(), options_.registry.mailbox_bytes);
  EXPECT_EQ(statistics.reader_limit_bytes(), options_.reader_bytes);
}

TEST_F(StopTest, AnswersWhatIsUnderWayAndEndsFollowers) {
  ASSERT_TRUE(Append(1, 1, {"a"}).ok());
  auto gate = std::make_shared<Gate>();
  engine_->Region(1)->SetInCommit([gate] { gate->Pass(); });
  v1::ReadRequest request = ReadOf(1, 1);
  request.set_follow(true);
  grpc::ClientContext follow_call;
  const auto follower = wal_->Read(&follow_call, request);
  v1::ReadResponse response;
  do {
    ASSERT_TRUE(follower->Read(&response));
  } while (!response.caught_up());
  grpc::ClientContext stream_call;
  const auto stream = wal_->AppendStream(&stream_call);
  v1::AppendStreamRequest append;
  v1::AppendRequest* const batch = append.add_appends()->mutable_append();
  batch->set_region_id(1);
  batch->add_tables()->add_payloads("streamed");
  ASSERT_TRUE(stream->Write(append));
  gate->AwaitArrival();
  std::thread unary([this] { EXPECT_TRUE(Append(1, 1, {"under way"}).ok()); });
  while (server_->observation().statistics.waiting_jobs < 2) std::this_thread::yield();

  std::thread stopper([this] { EXPECT_TRUE(server_->Stop(absl::Seconds(60)).ok()); });
  EXPECT_FALSE(follower->Read(&response));
  EXPECT_EQ(ReasonOf(follower->Finish()), "SHUTTING_DOWN");
  gate->Open();
  v1::AppendStreamResponse answer;
  ASSERT_TRUE(stream->Read(&answer)) << "what was accepted is answered";
  EXPECT_EQ(answer.results(0).response().tables(0).first_sequence(), 1u);
  EXPECT_FALSE(stream->Read(&answer));
  const grpc::Status ended = stream->Finish();
  EXPECT_EQ(ReasonOf(ended), "SHUTTING_DOWN")
      << ended.error_code() << ": " << ended.error_message();
  unary.join();
  stopper.join();
}

TEST_F(StopTest, AStuckClientCannotHoldIt) {
  for (int i = 0; i < 16; ++i) {
    ASSERT_TRUE(Append(1, 1, {std::string(1 << 20, 'x')}).ok());
  }
  grpc::ClientContext call;
  const auto stuck = wal_->Read(&call, ReadOf(1, 1));
  while (Statistics().reader_bytes() == 0) std::this_thread::yield();
  EXPECT_TRUE(server_->Stop(absl::Milliseconds(50)).ok());
  v1::ReadResponse response;
  while (stuck->Read(&response)) {
  }
  EXPECT_FALSE(stuck->Finish().ok());
}

TEST_F(StopTest, ClosesEveryRegion) {
  for (uint64_t region : {1, 2, 3}) ASSERT_TRUE(Append(region, 1, {"a"}).ok());
  std::vector<std::shared_ptr<MemoryRegion>> regions;
  for (uint64_t region : {1, 2, 3}) regions.push_back(engine_->Region(region));
  EXPECT_TRUE(server_->Stop(absl::Seconds(10)).ok());
  for (const auto& region : regions) EXPECT_EQ(region->closes(), 1);
}

NamespaceSet OneNamespace() {
  auto ns = std::make_unique<Namespace>();
  ns->id = 1;
  ns->engine = std::make_unique<MemoryEngine>();
  NamespaceSet namespaces;
  namespaces.Add(std::move(ns));
  return namespaces;
}

TEST_F(StopTest, AnAddressInUseIsNamed) {
  ServerOptions second;
  second.listen = {"127.0.0.1:0"};
  const auto first_server = WaldenServer::Start(second, OneNamespace(), nullptr);
  ASSERT_TRUE(first_server.ok()) << first_server.status();
  second.listen = {(*first_server)->addresses()[0]};
  EXPECT_NE(second.listen[0], "127.0.0.1:0");
  const auto second_server = WaldenServer::Start(second, NamespaceSet(), nullptr);
  ASSERT_FALSE(second_server.ok());
  EXPECT_NE(second_server.status().message().find(second.listen[0]), std::string::npos)
      << second_server.status();
}

}  // namespace
}  // namespace walden
