// MarkDeleted over a real socket.
#include <gmock/gmock.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/unit/server/grpc/walden_server_fixture.h"

namespace walden {
namespace {

using ::testing::ElementsAre;

using MarksTest = WaldenServerTest;

TEST_F(MarksTest, MarksOfManyTablesAreClampedAndAnsweredForNothing) {
  ASSERT_TRUE(Append(1, 1, {"a", "b"}).ok());
  ASSERT_TRUE(Append(1, 2, {"c"}).ok());
  v1::MarkDeletedRequest request;
  request.set_region_id(1);
  for (const uint64_t table : {1, 2, 3}) {
    request.add_marks()->set_table_id(table);
    request.mutable_marks()->rbegin()->set_through_sequence(table == 2 ? 1 : 100);
  }
  v1::MarkDeletedResponse response;
  grpc::ClientContext call;
  ASSERT_TRUE(wal_->MarkDeleted(&call, request, &response).ok());
  ASSERT_EQ(response.results_size(), 3);
  EXPECT_EQ(response.results(0).position().deleted_through(), 2u);
  EXPECT_EQ(response.results(0).position().next_sequence(), 3u);
  EXPECT_EQ(response.results(1).table_id(), 2u);
  EXPECT_EQ(response.results(1).position().deleted_through(), 1u);
  EXPECT_EQ(response.results(2).position().deleted_through(), 0u);
  request.set_region_id(99);
  grpc::ClientContext second_call;
  v1::MarkDeletedResponse absent;
  ASSERT_TRUE(wal_->MarkDeleted(&second_call, request, &absent).ok());
  ASSERT_EQ(absent.results_size(), 3);
  EXPECT_EQ(absent.results(0).position().deleted_through(), 0u);
  EXPECT_EQ(absent.results(0).position().next_sequence(), 1u);
  EXPECT_EQ(engine_->ListRegions()->size(), 1u);
}

TEST_F(MarksTest, AMarkNeedsAPlaceAndATableOfItsOwn) {
  v1::MarkDeletedRequest request;
  request.set_region_id(1);
  v1::MarkDeletedResponse response;
  const auto refusal = [&] {
    grpc::ClientContext call;
    const grpc::Status status = wal_->MarkDeleted(&call, request, &response);
    return absl::StrCat(ReasonOf(status), " ", status.error_message());
  };
  EXPECT_EQ(refusal(), "INVALID_FIELD marks must hold at least one");
  request.add_marks()->set_table_id(5);
  EXPECT_EQ(refusal(), "INVALID_FIELD marks[0] must have through_sequence or before_time");
  request.mutable_marks(0)->set_through_sequence(1);
  *request.add_marks() = request.marks(0);
  EXPECT_EQ(refusal(), "INVALID_FIELD marks[1].table_id is there twice: a table has one mark");
}

// The time is looked for in the region that the call was for, and the records of that one are gone.
TEST_F(MarksTest, ATimeMarksNothingOfARegionThatWasMadeAgainMeanwhile) {
  ASSERT_TRUE(Append(1, 1, {"1", "2", "3"}).ok());
  auto gate = std::make_shared<Gate>();
  engine_->Region(1)->SetInFirstSince([gate] { gate->Pass(); });
  std::thread marking([this] {
    v1::MarkDeletedRequest request;
    request.set_region_id(1);
    v1::TableMark* const mark = request.add_marks();
    mark->set_table_id(1);
    mark->mutable_before_time()->set_seconds(kAppendedUnixMicros / 1'000'000 + 1);
    v1::MarkDeletedResponse response;
    grpc::ClientContext call;
    const grpc::Status status = wal_->MarkDeleted(&call, request, &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
  });
  gate->AwaitArrival();
  v1::DropRegionRequest drop;
  drop.set_namespace_id(1);
  drop.set_region_id(1);
  drop.set_confirm_region_id(1);
  v1::DropRegionResponse dropped;
  grpc::ClientContext drop_call;
  EXPECT_TRUE(admin_->DropRegion(&drop_call, drop, &dropped).ok());
  EXPECT_TRUE(dropped.existed());
  EXPECT_TRUE(Append(1, 1, {"of the new region", "too"}).ok());
  gate->Open();
  marking.join();
  v1::ReadResponse all;
  ASSERT_TRUE(Read(ReadOf(1, 1), &all).ok());
  EXPECT_THAT(PayloadsOf(all), ElementsAre("of the new region", "too"));
  EXPECT_EQ(all.position().deleted_through(), 0u);
}

}  // namespace
}  // namespace walden
