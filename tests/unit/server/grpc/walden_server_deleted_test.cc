// Readers whose records are marked deleted, over a real socket.
#include <gmock/gmock.h>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "tests/unit/server/grpc/walden_server_fixture.h"

namespace walden {
namespace {

using ::testing::ElementsAre;

class DeletedReadTest : public WaldenServerTest {
 protected:
  static std::string FirstLeft(const grpc::Status& status) {
    google::rpc::Status details;
    google::rpc::ErrorInfo info;
    if (!details.ParseFromString(status.error_details())) return "";
    for (const google::protobuf::Any& detail : details.details()) {
      if (detail.UnpackTo(&info)) return info.metadata().at("first_sequence");
    }
    return "";
  }
};

TEST_F(DeletedReadTest, AStartThatNamesADeletedNumberEndsWithTheFirstOneLeft) {
  ASSERT_TRUE(Append(1, 1, {"1", "2", "3", "4"}).ok());
  ASSERT_TRUE(MarkDeleted(1, 1, 2).ok());
  v1::ReadRequest request = ReadOf(1, 1);
  request.mutable_start()->set_inclusive(1);
  v1::ReadResponse all;
  const grpc::Status gone = Read(request, &all);
  EXPECT_EQ(gone.error_code(), grpc::StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(ReasonOf(gone), "RECORDS_GONE");
  EXPECT_EQ(FirstLeft(gone), "3");
  EXPECT_EQ(all.records_size(), 0);

  all.Clear();
  request.mutable_start()->set_exclusive(2);
  ASSERT_TRUE(Read(request, &all).ok());
  EXPECT_THAT(PayloadsOf(all), ElementsAre("3", "4"));

  all.Clear();
  ASSERT_TRUE(Read(ReadOf(1, 1), &all).ok()) << "without a start: what is left";
  EXPECT_THAT(PayloadsOf(all), ElementsAre("3", "4"));
}

TEST_F(DeletedReadTest, ASkippingReadBeginsWithWhatIsLeftAndIsToldWhere) {
  ASSERT_TRUE(Append(1, 1, {"1", "2", "3"}).ok());
  ASSERT_TRUE(MarkDeleted(1, 1, 2).ok());
  v1::ReadRequest request = ReadOf(1, 1);
  request.mutable_start()->set_inclusive(1);
  request.set_skip_deleted(true);
  v1::ReadResponse all;
  ASSERT_TRUE(Read(request, &all).ok());
  EXPECT_EQ(all.position().first_live_sequence(), 3u);
  EXPECT_THAT(PayloadsOf(all), ElementsAre("3"));
}

// A follower at the end is outrun: one append wakes it, and is deleted before it looks.
TEST_F(DeletedReadTest, AFollowerThatIsOutrunIsToldAndGoesOnOnlyIfItSkips) {
  for (const bool skips : {false, true}) {
    SCOPED_TRACE(skips);
    Start();
    ASSERT_TRUE(Append(1, 1, {"1"}).ok());
    v1::ReadRequest request = ReadOf(1, 1);
    request.set_follow(true);
    request.set_skip_deleted(skips);
    grpc::ClientContext call;
    const auto stream = wal_->Read(&call, request);
    v1::ReadResponse response;
    ASSERT_TRUE(stream->Read(&response));
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_THAT(PayloadsOf(response), ElementsAre("1"));
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_TRUE(response.caught_up());
    // Behind its back, so that it is not woken between the two.
    engine_->Region(1)->AddRecord(1, 2, "2");
    engine_->Region(1)->AddMarks({{1, 2}});
    ASSERT_TRUE(Append(1, 1, {"3"}).ok());
    if (!skips) {
      EXPECT_FALSE(stream->Read(&response));
      const grpc::Status gone = stream->Finish();
      EXPECT_EQ(ReasonOf(gone), "RECORDS_GONE");
      EXPECT_EQ(FirstLeft(gone), "3");
      continue;
    }
    ASSERT_TRUE(stream->Read(&response));
    ASSERT_TRUE(response.has_position());
    EXPECT_EQ(response.position().first_live_sequence(), 3u);
    EXPECT_EQ(response.records_size(), 0);
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_THAT(PayloadsOf(response), ElementsAre("3"));
    call.TryCancel();
    stream->Finish();
  }
}

TEST_F(DeletedReadTest, AFollowerOfARegionThatComesLaterMissesNothingUntold) {
  v1::ReadRequest request = ReadOf(8, 1);
  request.set_follow(true);
  grpc::ClientContext call;
  const auto stream = wal_->Read(&call, request);
  v1::ReadResponse response;
  do {
    ASSERT_TRUE(stream->Read(&response));
  } while (!response.caught_up());
  engine_->Region(8)->AddRecord(1, 1, "1");
  engine_->Region(8)->AddMarks({{1, 1}});
  ASSERT_TRUE(Append(8, 1, {"2"}).ok());
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(ReasonOf(stream->Finish()), "RECORDS_GONE");
}

}  // namespace
}  // namespace walden
