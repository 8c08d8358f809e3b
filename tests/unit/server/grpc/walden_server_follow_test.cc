// Caught-up marks and heartbeats of readers that follow, over a real socket.
#include <gmock/gmock.h>

#include "absl/time/clock.h"
#include "tests/unit/server/grpc/walden_server_fixture.h"

namespace walden {
namespace {

class FollowTest : public WaldenServerTest {
 protected:
  static v1::ReadRequest Follow(uint64_t region, absl::Duration heartbeat) {
    v1::ReadRequest request = ReadOf(region, 1);
    request.set_follow(true);
    request.mutable_heartbeat_interval()->set_seconds(absl::ToInt64Seconds(heartbeat));
    request.mutable_heartbeat_interval()->set_nanos(
        static_cast<int32_t>(absl::ToInt64Nanoseconds(heartbeat % absl::Seconds(1))));
    return request;
  }
};

TEST_F(FollowTest, TheEndIsMarkedOnceAfterAllRecordsAndSaysWhereItIs) {
  options_.read_chunk_bytes = 4096;
  Start();
  // More than one message holds.
  constexpr int kBacklog = 50;
  for (int i = 0; i < kBacklog; ++i) ASSERT_TRUE(Append(1, 1, {std::string(1000, 'x')}).ok());
  ASSERT_TRUE(MarkDeleted(1, 1, 3).ok());
  grpc::ClientContext call;
  const auto stream = wal_->Read(&call, Follow(1, absl::Hours(1)));
  v1::ReadResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_TRUE(response.has_position());
  EXPECT_FALSE(response.caught_up());
  uint64_t last = 3;
  const auto read_to_the_mark = [&] {
    int messages = 0;
    for (; stream->Read(&response) && !response.caught_up(); ++messages) {
      EXPECT_FALSE(response.has_position());
      EXPECT_GT(response.records_size(), 0);
      for (const v1::LogRecord& record : response.records()) EXPECT_EQ(record.sequence(), ++last);
    }
    EXPECT_TRUE(response.has_position());
    EXPECT_EQ(response.records_size(), 0);
    EXPECT_EQ(response.position().first_live_sequence(), 4u);
    EXPECT_EQ(response.position().next_sequence(), last + 1);
    EXPECT_EQ(response.position().deleted_through(), 3u);
    EXPECT_EQ(response.position().durable_through(), last);
    return messages;
  };
  EXPECT_GT(read_to_the_mark(), 5);
  EXPECT_EQ(last, uint64_t{kBacklog});
  ASSERT_TRUE(Append(1, 2, {"another table"}).ok());
  for (int i = 1; i <= 3; ++i) {
    ASSERT_TRUE(Append(1, 1, {"y", "z"}).ok());
    EXPECT_EQ(read_to_the_mark(), 1) << "no mark without records";
    EXPECT_EQ(last, uint64_t{kBacklog} + 2 * i);
  }
  call.TryCancel();
  stream->Finish();
}

TEST_F(FollowTest, AReaderThatDoesNotStayIsNotToldThatItCaughtUp) {
  ASSERT_TRUE(Append(1, 1, {"a"}).ok());
  for (const uint64_t region : {1, 2}) {
    grpc::ClientContext call;
    const auto stream = wal_->Read(&call, ReadOf(region, 1));
    v1::ReadResponse response;
    while (stream->Read(&response)) EXPECT_FALSE(response.caught_up());
    EXPECT_TRUE(response.has_summary());
    EXPECT_TRUE(stream->Finish().ok());
  }
}

TEST_F(FollowTest, MarksSayWhichRecordsAreNotDurableYet) {
  options_.tick_interval = absl::Hours(1);
  Start();
  ASSERT_TRUE(Append(1, 1, {"synced"}).ok());
  v1::AppendRequest buffered;
  buffered.set_region_id(1);
  buffered.set_durability(v1::DURABILITY_BUFFERED);
  v1::TableAppend* const part = buffered.add_tables();
  part->set_table_id(1);
  part->add_payloads("not synced yet");
  v1::AppendResponse appended;
  grpc::ClientContext append_call;
  ASSERT_TRUE(wal_->Append(&append_call, buffered, &appended).ok());
  grpc::ClientContext call;
  const auto stream = wal_->Read(&call, Follow(1, absl::Milliseconds(10)));
  v1::ReadResponse response;
  do {
    ASSERT_TRUE(stream->Read(&response));
  } while (!response.caught_up());
  EXPECT_EQ(response.position().next_sequence(), 3u);
  EXPECT_EQ(response.position().durable_through(), 1u);
  v1::SyncRegionRequest sync;
  sync.set_region_id(1);
  v1::SyncRegionResponse synced;
  grpc::ClientContext sync_call;
  ASSERT_TRUE(admin_->SyncRegion(&sync_call, sync, &synced).ok());
  // Heartbeats that were made before the sync may be on their way.
  int beats = 0;
  do {
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_TRUE(response.caught_up());
  } while (response.position().durable_through() < 2 && ++beats < 1000);
  EXPECT_EQ(response.position().durable_through(), 2u);
  call.TryCancel();
  stream->Finish();
}

// A client that does not read holds all bytes of readers, and another reader waits for them.
TEST_F(FollowTest, HeartbeatsGoOnWhileThereAreNoBytesForReaders) {
  options_.read_chunk_bytes = 1 << 20;
  options_.reader_bytes = 1 << 20;
  options_.reader_wait = absl::Hours(1);
  options_.reader_stall = absl::Hours(1);
  Start();
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(Append(1, 1, {std::string(1 << 20, 'x')}).ok());
  ASSERT_TRUE(Append(2, 1, {"a"}).ok());
  grpc::ClientContext call;
  call.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(60)));
  const auto follower = wal_->Read(&call, Follow(2, absl::Milliseconds(10)));
  v1::ReadResponse response;
  do {
    ASSERT_TRUE(follower->Read(&response));
  } while (!response.caught_up());
  grpc::ClientContext slow_call;
  const auto slow = wal_->Read(&slow_call, ReadOf(1, 1));
  while (Statistics().reader_bytes() < options_.reader_bytes) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  grpc::ClientContext waiting_call;
  const auto waiting = wal_->Read(&waiting_call, ReadOf(1, 1));
  ASSERT_TRUE(waiting->Read(&response)) << "the position takes no bytes";
  for (int beat = 0; beat < 20; ++beat) {
    ASSERT_TRUE(follower->Read(&response)) << beat;
    EXPECT_TRUE(response.caught_up());
    EXPECT_EQ(response.position().next_sequence(), 2u);
  }
  EXPECT_GE(Statistics().reader_bytes(), options_.reader_bytes) << "the bytes were held throughout";
  // A record waits for bytes as those of every reader do, and comes when there are some.
  ASSERT_TRUE(Append(2, 1, {"b"}).ok());
  slow_call.TryCancel();
  slow->Finish();
  waiting_call.TryCancel();
  waiting->Finish();
  do {
    ASSERT_TRUE(follower->Read(&response));
  } while (response.records_size() == 0);
  EXPECT_EQ(PayloadsOf(response), std::vector<std::string>{"b"});
  call.TryCancel();
  follower->Finish();
  ExpectNoBytesHeld();
}

}  // namespace
}  // namespace walden
