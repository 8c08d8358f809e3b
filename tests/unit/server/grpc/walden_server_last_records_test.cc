// Reads of the last records of a table, whose beginning takes a search, over a real socket.
#include <gmock/gmock.h>

#include "absl/time/clock.h"
#include "tests/unit/server/grpc/walden_server_fixture.h"

namespace walden {
namespace {

using ::testing::ElementsAre;

// A server with one thread for all readers, and a search in table 1 that does not end.
class LastRecordsReadTest : public WaldenServerTest {
 protected:
  LastRecordsReadTest() {
    options_.workers = 1;
    Start();
    EXPECT_TRUE(Append(1, 1, {"a", "b", "c"}).ok());
    EXPECT_TRUE(Append(1, 2, {"short"}).ok());
    SetEndless(true);
  }

  void SetEndless(bool endless) { engine_->Region(1)->SetEndless(1, endless); }

  // Begins to read the last two of three records. A server that does not answer fails the test.
  std::unique_ptr<grpc::ClientReader<v1::ReadResponse>> Search(absl::Duration patience) {
    call_.set_deadline(absl::ToChronoTime(absl::Now() + patience));
    v1::ReadRequest request = ReadOf(1, 1);
    request.set_last_records(2);
    return wal_->Read(&call_, request);
  }

  void AwaitNoReads() {
    for (int i = 0; i < 6000; ++i) {
      if (server_->observation().statistics.Of(Method::kRead).open == 0) return;
      absl::SleepFor(absl::Milliseconds(10));
    }
    ADD_FAILURE() << "a read is still open";
  }

  static constexpr absl::Duration kForever = absl::Seconds(60);
  grpc::ClientContext call_;
};

TEST_F(LastRecordsReadTest, OtherReadersHaveTheirTurnMeanwhile) {
  const auto stream = Search(kForever);
  v1::ReadResponse response;
  ASSERT_TRUE(stream->Read(&response)) << "the position comes before the search has ended";
  EXPECT_TRUE(response.has_position());
  grpc::ClientContext short_call;
  short_call.set_deadline(absl::ToChronoTime(absl::Now() + kForever));
  const auto short_read = wal_->Read(&short_call, ReadOf(1, 2));
  v1::ReadResponse all;
  while (short_read->Read(&response)) all.MergeFrom(response);
  EXPECT_TRUE(short_read->Finish().ok());
  EXPECT_THAT(PayloadsOf(all), ElementsAre("short"));
  SetEndless(false);
  all.Clear();
  while (stream->Read(&response)) all.MergeFrom(response);
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_THAT(PayloadsOf(all), ElementsAre("b", "c"));
  EXPECT_EQ(all.summary().resume_sequence(), 4u);
  ExpectNoBytesHeld();
}

TEST_F(LastRecordsReadTest, WhatIsAppendedDuringTheSearchIsNotThereNow) {
  const auto stream = Search(kForever);
  v1::ReadResponse response;
  ASSERT_TRUE(stream->Read(&response));
  ASSERT_TRUE(Append(1, 1, {"d"}).ok());
  SetEndless(false);
  v1::ReadResponse all;
  while (stream->Read(&response)) all.MergeFrom(response);
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_THAT(PayloadsOf(all), ElementsAre("b", "c"));
}

TEST_F(LastRecordsReadTest, ACancelledSearchEnds) {
  const auto stream = Search(kForever);
  v1::ReadResponse response;
  ASSERT_TRUE(stream->Read(&response));
  call_.TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  AwaitNoReads();
}

TEST_F(LastRecordsReadTest, ASearchEndsWhenItsDeadlinePasses) {
  const auto stream = Search(absl::Milliseconds(100));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  AwaitNoReads();
}

TEST_F(LastRecordsReadTest, ASearchEndsWhenItsRegionIsClosed) {
  const auto stream = Search(kForever);
  v1::ReadResponse response;
  ASSERT_TRUE(stream->Read(&response));
  v1::CloseRegionRequest close;
  close.set_region_id(1);
  v1::CloseRegionResponse closed;
  grpc::ClientContext close_call;
  ASSERT_TRUE(admin_->CloseRegion(&close_call, close, &closed).ok());
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(LastRecordsReadTest, ASearchDoesNotKeepTheServerFromStopping) {
  const auto stream = Search(kForever);
  v1::ReadResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_TRUE(server_->Stop(absl::Milliseconds(100)).ok());
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_FALSE(stream->Finish().ok());
}

}  // namespace
}  // namespace walden
