// Append over a real socket.
#include <gmock/gmock.h>

#include <thread>

#include "absl/time/clock.h"
#include "tests/unit/server/grpc/append_fixture.h"

namespace walden {
namespace {

using ::testing::ElementsAre;

TEST_F(AppendTest, AnswersTheNumbersOfTheBatch) {
  v1::AppendResponse response;
  ASSERT_TRUE(Append(7, 3, {"a", "", "c"}, &response).ok());
  ASSERT_EQ(response.tables_size(), 1);
  EXPECT_EQ(response.tables(0).table_id(), 3u);
  EXPECT_EQ(response.tables(0).first_sequence(), 1u);
  EXPECT_EQ(response.tables(0).last_sequence(), 3u);
  EXPECT_TRUE(response.durable());
  EXPECT_FALSE(response.duplicate());
  EXPECT_THAT(engine_->Region(7)->Payloads(3), ElementsAre("a", "", "c"));
}

TEST_F(AppendTest, ManyAtOnceShareCommits) {
  constexpr int kThreads = 8;
  constexpr int kEach = 50;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([this] {
      for (int i = 0; i < kEach; ++i) EXPECT_TRUE(Append(1, 1, {"x"}).ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
  const v1::GetStatisticsResponse statistics = Statistics();
  EXPECT_EQ(statistics.appended_batch_count(), uint64_t{kThreads * kEach});
  EXPECT_LE(statistics.commit_count(), statistics.appended_batch_count());
  ExpectNoBytesHeld();
}

TEST_F(AppendTest, RefusalsSayWhatIsWrong) {
  EXPECT_EQ(ReasonOf(Append(1, 1, {})), "INVALID_FIELD");
  v1::AppendRequest request = Single(1, "a");
  request.mutable_tables(0)->set_expected_next_sequence(9);
  v1::AppendResponse response;
  grpc::ClientContext call;
  const grpc::Status status = wal_->Append(&call, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(ReasonOf(status), "SEQUENCE_MISMATCH");
}

TEST_F(AppendTest, AMessageOverTheLimitIsRefusedAndTheConnectionLives) {
  options_.limits.max_batch_bytes = 1000;
  Start();
  EXPECT_EQ(Append(1, 1, {std::string(1001, 'x')}).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Append(1, 1, {std::string(4'000'000, 'x')}).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(Append(1, 1, {std::string(1000, 'x')}).ok());
}

TEST_F(AppendTest, AFullMailboxRefusesAndRecovers) {
  options_.registry.mailbox_bytes = 3000;
  Start();
  auto gate = std::make_shared<Gate>();
  ASSERT_TRUE(Append(1, 1, {"first"}).ok());
  engine_->Region(1)->SetInCommit([gate] { gate->Pass(); });
  std::thread held([this] { EXPECT_TRUE(Append(1, 1, {std::string(2000, 'x')}).ok()); });
  gate->AwaitArrival();
  EXPECT_EQ(ReasonOf(Append(1, 1, {std::string(2000, 'y')})), "MAILBOX_FULL");
  gate->Open();
  held.join();
  EXPECT_TRUE(Append(1, 1, {std::string(2000, 'y')}).ok());
}

TEST_F(AppendTest, StoppingIsBoundedAndSyncsThoughACallHangs) {
  options_.stop_grace = absl::Milliseconds(200);
  options_.tick_interval = absl::Hours(1);
  Start();
  ASSERT_TRUE(Append(1, 1, {"first"}).ok());
  v1::AppendRequest buffered = Single(2, "not synced yet");
  buffered.set_durability(v1::DURABILITY_BUFFERED);
  v1::AppendResponse response;
  grpc::ClientContext call;
  ASSERT_TRUE(wal_->Append(&call, buffered, &response).ok());
  auto gate = std::make_shared<Gate>();
  engine_->Region(1)->SetInCommit([gate] { gate->Pass(); });
  std::thread held([this] { (void)Append(1, 1, {"held"}); });
  gate->AwaitArrival();
  EXPECT_TRUE(absl::IsDeadlineExceeded(server_->Stop(absl::Milliseconds(1))));
  EXPECT_FALSE(engine_->Region(2)->unsynced());
  EXPECT_EQ(engine_->Region(2)->closes(), 1);
  gate->Open();
  held.join();
  server_ = nullptr;
}

TEST_F(AppendTest, WhatIsOverdueWhenItsTurnComesIsNotStored) {
  auto gate = std::make_shared<Gate>();
  ASSERT_TRUE(Append(1, 1, {"first"}).ok());
  engine_->Region(1)->SetInCommit([gate] { gate->Pass(); });
  std::thread held([this] { EXPECT_TRUE(Append(1, 1, {"held"}).ok()); });
  gate->AwaitArrival();
  constexpr absl::Duration kPatience = absl::Milliseconds(300);
  const auto deadline = absl::ToChronoTime(absl::Now() + kPatience);
  grpc::ClientContext stream_call;
  stream_call.set_deadline(deadline);
  const auto stream = wal_->AppendStream(&stream_call);
  ASSERT_TRUE(stream->Write(Request(1, 1, "late in a stream")));
  std::thread late([this, deadline] {
    grpc::ClientContext call;
    call.set_deadline(deadline);
    v1::AppendResponse response;
    EXPECT_EQ(wal_->Append(&call, Single(1, "late"), &response).error_code(),
              grpc::StatusCode::DEADLINE_EXCEEDED);
  });
  // Both wait in the mailbox now, so the daemon's own idea of their deadlines ends in kPatience.
  while (server_->observation().statistics.waiting_jobs < 3) absl::SleepFor(absl::Milliseconds(1));
  absl::SleepFor(kPatience);
  late.join();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  gate->Open();
  held.join();
  ASSERT_TRUE(Append(1, 1, {"after"}).ok());
  EXPECT_THAT(engine_->Region(1)->Payloads(1), ElementsAre("first", "held", "after"));
  ExpectNoBytesHeld();
}

TEST_F(AppendTest, WhatIsOverdueWhenItsRegionIsOpenIsNotStored) {
  ASSERT_TRUE(Append(1, 1, {"first"}).ok());
  auto gate = std::make_shared<Gate>();
  engine_->Region(2);
  engine_->SetInOpening([gate](RegionId) { gate->Pass(); });
  grpc::ClientContext call;
  call.set_deadline(absl::ToChronoTime(absl::Now() + absl::Milliseconds(200)));
  v1::AppendResponse response;
  EXPECT_EQ(wal_->Append(&call, Single(2, "late"), &response).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  gate->AwaitArrival();
  absl::SleepFor(absl::Milliseconds(200));
  engine_->SetInOpening(nullptr);
  gate->Open();
  ASSERT_TRUE(Append(2, 1, {"after"}).ok());
  EXPECT_THAT(engine_->Region(2)->Payloads(1), ElementsAre("after"));
}

TEST_F(AppendTest, ABatchOverSeveralTablesIsStoredWholeOrNotAtAll) {
  v1::AppendRequest request = Single(1, "one");
  for (const uint64_t table : {7, 3}) {
    v1::TableAppend* const part = request.add_tables();
    part->set_table_id(table);
    part->add_payloads("a");
    part->add_payloads("b");
  }
  v1::AppendResponse response;
  {
    grpc::ClientContext call;
    ASSERT_TRUE(wal_->Append(&call, request, &response).ok());
  }
  ASSERT_EQ(response.tables_size(), 3);
  EXPECT_EQ(response.tables(1).table_id(), 7u);
  EXPECT_EQ(response.tables(1).last_sequence(), response.tables(1).first_sequence() + 1);
  request.mutable_tables(2)->set_expected_next_sequence(1);
  grpc::ClientContext call;
  EXPECT_EQ(ReasonOf(wal_->Append(&call, request, &response)), "SEQUENCE_MISMATCH");
  EXPECT_THAT(engine_->Region(1)->Payloads(1), ElementsAre("one"));
  request.mutable_tables(2)->set_table_id(1);
  grpc::ClientContext twice;
  EXPECT_EQ(wal_->Append(&twice, request, &response).error_message(),
            "tables[2].table_id is there twice: a batch has one part for each table");
}

TEST_F(AppendTest, AFailedWriteIsUnknownAndWhatComesLaterIsNotStored) {
  ASSERT_TRUE(Append(1, 1, {"first"}).ok());
  engine_->Region(1)->SetFate(MemoryRegion::Fate::kFail);
  const grpc::Status failed = Append(1, 1, {"in doubt"});
  EXPECT_EQ(failed.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(failed), "WRITE_FAILED");
  const grpc::Status refused = Append(1, 1, {"not stored"});
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonOf(refused), "REGION_FAILED");
}

TEST_F(AppendTest, AFenceMakesTheRegionAndRefusesLowerVersions) {
  v1::FenceRegionRequest fence;
  fence.set_region_id(5);
  v1::FenceRegionResponse fenced;
  {
    grpc::ClientContext call;
    EXPECT_EQ(ReasonOf(wal_->FenceRegion(&call, fence, &fenced)), "INVALID_FIELD");
  }
  fence.set_region_version(7);
  {
    grpc::ClientContext call;
    ASSERT_TRUE(wal_->FenceRegion(&call, fence, &fenced).ok());
  }
  v1::AppendRequest request = Single(5, "late");
  request.set_region_version(6);
  v1::AppendResponse response;
  grpc::ClientContext call;
  EXPECT_EQ(ReasonOf(wal_->Append(&call, request, &response)), "FENCED");
}

}  // namespace
}  // namespace walden
