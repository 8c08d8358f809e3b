// Pages of AdminService, over a real socket.
#include <gmock/gmock.h>
#include <google/rpc/error_details.pb.h>

#include "tests/unit/server/grpc/walden_server_fixture.h"

namespace walden {
namespace {

class AdminPagesTest : public WaldenServerTest {
 protected:
  grpc::Status List(const v1::ListRegionsRequest& request, v1::ListRegionsResponse* page) {
    grpc::ClientContext call;
    return admin_->ListRegions(&call, request, page);
  }
  grpc::Status Describe(const v1::DescribeRegionRequest& request,
                        v1::DescribeRegionResponse* page) {
    grpc::ClientContext call;
    return admin_->DescribeRegion(&call, request, page);
  }
  grpc::Status ListNamespaces(v1::ListNamespacesResponse* page) {
    grpc::ClientContext call;
    return admin_->ListNamespaces(&call, {}, page);
  }
};

TEST_F(AdminPagesTest, RegionsComeInPagesThatMakeUpTheWhole) {
  for (uint64_t region = 1; region <= 7; ++region) ASSERT_TRUE(Append(region, 1, {"x"}).ok());
  for (const int size : {1, 3, 7, 100}) {
    v1::ListRegionsRequest request;
    request.set_page_size(size);
    uint64_t expected = 1;
    do {
      v1::ListRegionsResponse page;
      ASSERT_TRUE(List(request, &page).ok());
      EXPECT_LE(page.regions_size(), size);
      for (const v1::RegionInfo& info : page.regions()) EXPECT_EQ(info.region_id(), expected++);
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    EXPECT_EQ(expected, 8u);
  }
}

TEST_F(AdminPagesTest, ANegativePageSizeIsRefused) {
  v1::ListRegionsRequest list;
  list.set_page_size(-1);
  v1::ListRegionsResponse regions;
  EXPECT_EQ(ReasonOf(List(list, &regions)), "INVALID_FIELD");
  v1::DescribeRegionRequest describe;
  describe.set_page_size(-1);
  v1::DescribeRegionResponse page;
  EXPECT_EQ(ReasonOf(Describe(describe, &page)), "INVALID_FIELD");
  v1::ListNamespacesRequest namespaces;
  namespaces.set_page_size(-1);
  v1::ListNamespacesResponse answer;
  grpc::ClientContext call;
  EXPECT_EQ(ReasonOf(admin_->ListNamespaces(&call, namespaces, &answer)), "INVALID_FIELD");
}

TEST_F(AdminPagesTest, TheServerSaysWhatItIsAndWhatItTakes) {
  v1::GetServerInfoResponse info;
  grpc::ClientContext call;
  ASSERT_TRUE(admin_->GetServerInfo(&call, {}, &info).ok());
  EXPECT_EQ(info.version(), "1.2.3");
  EXPECT_THAT(info.engines(), ::testing::ElementsAre("segment", "rocksdb"));
  EXPECT_EQ(info.limits().max_batch_bytes(), options_.limits.max_batch_bytes);
  EXPECT_GT(info.limits().max_request_message_bytes(), options_.limits.max_batch_bytes);
  EXPECT_GT(info.start_time().seconds(), 0);
}

TEST_F(AdminPagesTest, TheLimitsAreThoseThatTheServerWasGiven) {
  options_.limits = {.max_batch_bytes = 1001,
                     .max_batch_records = 1002,
                     .max_payload_bytes = 1003,
                     .max_key_bytes = 1004,
                     .max_stream_message_batches = 1005,
                     .max_marks = 1006};
  Start();
  v1::GetServerInfoResponse info;
  grpc::ClientContext call;
  ASSERT_TRUE(admin_->GetServerInfo(&call, {}, &info).ok());
  const v1::Limits& limits = info.limits();
  EXPECT_EQ(limits.max_batch_bytes(), 1001u);
  EXPECT_EQ(limits.max_batch_records(), 1002u);
  EXPECT_EQ(limits.max_payload_bytes(), 1003u);
  EXPECT_EQ(limits.max_key_bytes(), 1004u);
  EXPECT_EQ(limits.max_stream_message_appends(), 1005u);
  EXPECT_EQ(limits.max_marks(), 1006u);
  EXPECT_EQ(limits.max_batch_tables(), kMaxTablesPerBatch);
  // gRPC takes a message of exactly the size that is told, and the next byte is refused by it.
  const uint64_t most = limits.max_request_message_bytes();
  for (const uint64_t bytes : {most, most + 1}) {
    v1::AppendRequest request;
    request.set_region_id(1);
    request.add_tables()->add_payloads(std::string(bytes, 'x'));
    const size_t payload = bytes - (request.ByteSizeLong() - bytes);
    request.mutable_tables(0)->set_payloads(0, std::string(payload, 'x'));
    ASSERT_EQ(request.ByteSizeLong(), bytes);
    grpc::ClientContext append_call;
    v1::AppendResponse response;
    EXPECT_EQ(
        wal_->Append(&append_call, request, &response).error_code(),
        bytes == most ? grpc::StatusCode::INVALID_ARGUMENT : grpc::StatusCode::RESOURCE_EXHAUSTED);
  }
}

TEST_F(AdminPagesTest, AListingHasTheUsageOfOpenRegionsAndOpensNone) {
  ASSERT_TRUE(Append(1, 1, {"four", "x"}).ok());
  ASSERT_TRUE(Append(1, 2, {"y"}).ok());
  engine_->Region(2);  // on the medium, not opened
  v1::ListRegionsResponse page;
  ASSERT_TRUE(List({}, &page).ok());
  ASSERT_EQ(page.regions_size(), 2);
  const v1::RegionUsage& usage = page.regions(0).usage();
  EXPECT_EQ(usage.table_count(), 2u);
  EXPECT_EQ(usage.live_record_count(), 3u);
  EXPECT_EQ(usage.live_bytes(), 6u);
  EXPECT_EQ(usage.allocated_bytes(), 6u);
  EXPECT_EQ(usage.damaged_range_count(), 0u);
  EXPECT_EQ(usage.oldest_append_time().seconds(), kAppendedUnixMicros / 1'000'000);
  EXPECT_EQ(page.regions(1).state(), v1::RegionInfo::STATE_CLOSED);
  EXPECT_FALSE(page.regions(1).has_usage());

  for (const uint64_t table : {1, 2}) ASSERT_TRUE(MarkDeleted(1, table, 9).ok());
  v1::ListRegionsResponse empty;
  ASSERT_TRUE(List({}, &empty).ok());
  EXPECT_EQ(empty.regions(0).usage().live_record_count(), 0u);
  EXPECT_FALSE(empty.regions(0).usage().has_oldest_append_time());
  EXPECT_EQ(empty.regions(1).state(), v1::RegionInfo::STATE_CLOSED) << "the listing opened it";
}

TEST_F(AdminPagesTest, ARegionIsDescribedInPagesThatMakeUpTheWhole) {
  for (uint64_t table = 1; table <= 10; ++table) ASSERT_TRUE(Append(1, table, {"x", "y"}).ok());
  v1::DescribeRegionRequest request;
  request.set_region_id(1);
  request.set_page_size(3);
  uint64_t expected = 1;
  do {
    v1::DescribeRegionResponse page;
    ASSERT_TRUE(Describe(request, &page).ok());
    EXPECT_EQ(page.info().state(), v1::RegionInfo::STATE_OPEN);
    EXPECT_EQ(page.info().usage().table_count(), 10u);
    EXPECT_EQ(page.state().engine(), "memory");
    EXPECT_LE(page.state().tables_size(), 3);
    for (const v1::TableState& table : page.state().tables()) {
      EXPECT_EQ(table.table_id(), expected++);
      EXPECT_EQ(table.position().next_sequence(), 3u);
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(expected, 11u);
}

TEST_F(AdminPagesTest, ATokenOfSomethingElseIsRefused) {
  ASSERT_TRUE(Append(1, 1, {"x"}).ok());
  ASSERT_TRUE(Append(1, 2, {"x"}).ok());
  ASSERT_TRUE(Append(2, 1, {"x"}).ok());
  v1::DescribeRegionRequest describe;
  describe.set_region_id(1);
  describe.set_page_size(1);
  v1::DescribeRegionResponse page;
  ASSERT_TRUE(Describe(describe, &page).ok());
  const std::string token = page.next_page_token();
  ASSERT_NE(token, "");
  v1::ListRegionsRequest list;
  list.set_page_size(1);
  v1::ListRegionsResponse regions;
  ASSERT_TRUE(List(list, &regions).ok());
  for (const std::string& wrong :
       {std::string("x"), token + "0.1", std::string("\0.1", 3), regions.next_page_token()}) {
    describe.set_page_token(wrong);
    const grpc::Status refused = Describe(describe, &page);
    EXPECT_EQ(refused.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(ReasonOf(refused), "INVALID_FIELD");
  }
  describe.set_page_token(token);
  describe.set_region_id(2);
  EXPECT_EQ(ReasonOf(Describe(describe, &page)), "INVALID_FIELD") << "another region's";
  list.set_page_token(token);
  EXPECT_EQ(ReasonOf(List(list, &regions)), "INVALID_FIELD");
}

TEST_F(AdminPagesTest, TheErrorOfABrokenRegionIsThatOfItsCalls) {
  ASSERT_TRUE(Append(1, 1, {"x"}).ok());
  v1::CloseRegionRequest close;
  close.set_region_id(1);
  v1::CloseRegionResponse closed;
  grpc::ClientContext close_call;
  ASSERT_TRUE(admin_->CloseRegion(&close_call, close, &closed).ok());
  engine_->FailOpening(1, MakeError(absl::StatusCode::kDataLoss, ErrorReason::kCorruption,
                                    "bytes are damaged", {{"file", "7/seg_1"}}));
  v1::ReadResponse all;
  const grpc::Status refused = Read(ReadOf(1, 1), &all);
  EXPECT_EQ(ReasonOf(refused), "CORRUPTION");
  v1::ListRegionsResponse page;
  ASSERT_TRUE(List({}, &page).ok());
  ASSERT_EQ(page.regions_size(), 1);
  EXPECT_EQ(page.regions(0).error().code(), static_cast<int>(grpc::StatusCode::DATA_LOSS));
  EXPECT_EQ(page.regions(0).error().message(), "region 1: bytes are damaged");
  EXPECT_EQ(page.regions(0).error().SerializeAsString(), refused.error_details());
}

TEST_F(AdminPagesTest, ANamespaceThatCannotBeListedHasAnErrorAndNoCount) {
  v1::ListNamespacesResponse page;
  ASSERT_TRUE(ListNamespaces(&page).ok());
  EXPECT_TRUE(page.namespaces(0).has_region_count());
  EXPECT_FALSE(page.namespaces(0).has_error());
  engine_->FailListing(MakeError(absl::StatusCode::kFailedPrecondition, ErrorReason::kLocked,
                                 "another process holds it"));
  ASSERT_TRUE(ListNamespaces(&page).ok());
  ASSERT_EQ(page.namespaces_size(), 1);
  EXPECT_FALSE(page.namespaces(0).has_region_count());
  google::rpc::ErrorInfo info;
  ASSERT_EQ(page.namespaces(0).error().details_size(), 1);
  ASSERT_TRUE(page.namespaces(0).error().details(0).UnpackTo(&info));
  EXPECT_EQ(info.reason(), "LOCKED");
}

}  // namespace
}  // namespace walden
