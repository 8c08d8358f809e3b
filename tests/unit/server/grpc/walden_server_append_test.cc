// Append, AppendStream and MarkDeleted over a real socket.
#include <gmock/gmock.h>

#include <atomic>
#include <numeric>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/error.h"
#include "google/rpc/error_details.pb.h"
#include "tests/unit/server/grpc/walden_server_fixture.h"

namespace walden {
namespace {

using ::testing::ElementsAre;

class AppendTest : public WaldenServerTest {
 protected:
  static v1::AppendStreamRequest Request(uint64_t id, uint64_t region, const std::string& payload) {
    v1::AppendStreamRequest request;
    request.set_request_id(id);
    request.mutable_append()->set_region_id(region);
    request.mutable_append()->set_table_id(1);
    request.mutable_append()->add_payloads(payload);
    return request;
  }
};

TEST_F(AppendTest, AnswersTheNumbersOfTheBatch) {
  v1::AppendResponse response;
  ASSERT_TRUE(Append(7, 3, {"a", "", "c"}, &response).ok());
  EXPECT_EQ(response.first_sequence(), 1u);
  EXPECT_EQ(response.last_sequence(), 3u);
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
  EXPECT_EQ(statistics.appended_batches(), uint64_t{kThreads * kEach});
  EXPECT_LE(statistics.commits(), statistics.appended_batches());
  ExpectNoBytesHeld();
}

TEST_F(AppendTest, RefusalsSayWhatIsWrong) {
  EXPECT_EQ(ReasonOf(Append(1, 1, {})), "INVALID_FIELD");
  v1::AppendRequest request;
  request.set_region_id(1);
  request.add_payloads("a");
  request.set_expected_next_sequence(9);
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
  EXPECT_EQ(Append(1, 1, {std::string(2'000'000, 'x')}).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(Append(1, 1, {std::string(1000, 'x')}).ok());
}

TEST_F(AppendTest, AFullMailboxRefusesAndRecovers) {
  options_.registry.mailbox_bytes = 3000;
  Start();
  auto gate = std::make_shared<Gate>();
  ASSERT_TRUE(Append(1, 1, {"first"}).ok());
  {
    absl::MutexLock lock(&engine_->Region(1)->mutex);
    engine_->Region(1)->in_commit = [gate] { gate->Pass(); };
  }
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
  v1::AppendRequest buffered = Request(1, 2, "not synced yet").append();
  buffered.set_durability(v1::DURABILITY_BUFFERED);
  v1::AppendResponse response;
  grpc::ClientContext call;
  ASSERT_TRUE(wal_->Append(&call, buffered, &response).ok());
  auto gate = std::make_shared<Gate>();
  {
    absl::MutexLock lock(&engine_->Region(1)->mutex);
    engine_->Region(1)->in_commit = [gate] { gate->Pass(); };
  }
  std::thread held([this] { (void)Append(1, 1, {"held"}); });
  gate->AwaitArrival();
  EXPECT_TRUE(absl::IsDeadlineExceeded(server_->Stop(absl::Milliseconds(1))));
  {
    absl::MutexLock lock(&engine_->Region(2)->mutex);
    EXPECT_FALSE(engine_->Region(2)->unsynced);
    EXPECT_EQ(engine_->Region(2)->closes, 1);
  }
  gate->Open();
  held.join();
  server_ = nullptr;
}

TEST_F(AppendTest, WhatIsOverdueWhenItsTurnComesIsNotStored) {
  auto gate = std::make_shared<Gate>();
  ASSERT_TRUE(Append(1, 1, {"first"}).ok());
  {
    absl::MutexLock lock(&engine_->Region(1)->mutex);
    engine_->Region(1)->in_commit = [gate] { gate->Pass(); };
  }
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
    EXPECT_EQ(wal_->Append(&call, Request(2, 1, "late").append(), &response).error_code(),
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
  EXPECT_EQ(wal_->Append(&call, Request(1, 2, "late").append(), &response).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  gate->AwaitArrival();
  absl::SleepFor(absl::Milliseconds(200));
  engine_->SetInOpening(nullptr);
  gate->Open();
  ASSERT_TRUE(Append(2, 1, {"after"}).ok());
  EXPECT_THAT(engine_->Region(2)->Payloads(1), ElementsAre("after"));
}

// Knows everybody, and counts how often it looked.
class CountingAccess final : public AccessControl {
 public:
  absl::StatusOr<std::shared_ptr<const Identity>> Recognise(
      const grpc::ServerContextBase&) const override {
    ++recognitions;
    return std::make_shared<Identity>(IdentityConfig{
        .name = "somebody", .rules = {{.regions = {RegionRange{}}, .append = true}}});
  }
  uint64_t generation() const override { return reloads; }

  mutable std::atomic<int> recognitions{0};
  std::atomic<uint64_t> reloads{1};
};

TEST_F(AppendTest, ALongStreamIsRecognisedOnceForEachChangeOfRights) {
  CountingAccess access;
  options_.access = &access;
  Start();
  grpc::ClientContext call;
  const auto stream = wal_->AppendStream(&call);
  v1::AppendStreamResponse response;
  const auto append = [&](uint64_t id) {
    ASSERT_TRUE(stream->Write(Request(id, 1, "x")));
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_TRUE(response.has_appended());
  };
  append(0);
  const int at_first = access.recognitions;
  ++access.reloads;
  for (uint64_t id = 1; id <= 100; ++id) append(id);
  EXPECT_EQ(access.recognitions, at_first + 1);
  ++access.reloads;
  append(101);
  EXPECT_EQ(access.recognitions, at_first + 2);
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
  server_ = nullptr;
}

TEST_F(AppendTest, AStreamAnswersInOrderAndEndsWhenAllIsAnswered) {
  constexpr uint64_t kRequests = 500;
  grpc::ClientContext call;
  const auto stream = wal_->AppendStream(&call);
  std::thread writer([&stream] {
    for (uint64_t id = 0; id < kRequests; ++id) {
      EXPECT_TRUE(stream->Write(Request(id, 1, absl::StrCat("record ", id))));
    }
    stream->WritesDone();
  });
  v1::AppendStreamResponse response;
  uint64_t answers = 0;
  while (stream->Read(&response)) {
    EXPECT_EQ(response.request_id(), answers);
    EXPECT_EQ(response.appended().first_sequence(), answers + 1);
    ++answers;
  }
  writer.join();
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(answers, kRequests);
  const Histogram::Snapshot took =
      server_->observation().statistics.Of(Method::kAppendStream).request_nanos.Read();
  EXPECT_EQ(std::accumulate(took.counts.begin(), took.counts.end(), uint64_t{0}), kRequests);
  EXPECT_GT(took.sum, 0u);
  const std::vector<std::string> stored = engine_->Region(1)->Payloads(1);
  ASSERT_EQ(stored.size(), kRequests);
  for (uint64_t id = 0; id < kRequests; ++id) EXPECT_EQ(stored[id], absl::StrCat("record ", id));
  ExpectNoBytesHeld();
}

TEST_F(AppendTest, ARefusalInAStreamKeepsItsPlaceAndTheStreamLives) {
  ASSERT_TRUE(Append(1, 1, {"first"}).ok());
  auto gate = std::make_shared<Gate>();
  {
    absl::MutexLock lock(&engine_->Region(1)->mutex);
    engine_->Region(1)->in_commit = [gate] { gate->Pass(); };
  }
  grpc::ClientContext call;
  const auto stream = wal_->AppendStream(&call);
  ASSERT_TRUE(stream->Write(Request(10, 1, "held")));
  gate->AwaitArrival();
  v1::AppendStreamRequest empty = Request(11, 1, "");
  empty.mutable_append()->clear_payloads();
  ASSERT_TRUE(stream->Write(empty));
  ASSERT_TRUE(stream->Write(Request(12, 1, "after")));
  v1::AppendStreamRequest missing;
  missing.set_request_id(13);
  ASSERT_TRUE(stream->Write(missing));
  ASSERT_TRUE(stream->Write(Request(14, 2, "elsewhere")));
  v1::AppendStreamResponse response;
  // What is held up in one region holds up no other.
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.request_id(), 13u);
  EXPECT_EQ(response.refused().code(), 3);
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.request_id(), 14u);
  gate->Open();
  std::vector<uint64_t> order;
  stream->WritesDone();
  while (stream->Read(&response)) {
    order.push_back(response.request_id());
    EXPECT_EQ(response.has_refused(), response.request_id() == 11);
  }
  EXPECT_THAT(order, ElementsAre(10, 11, 12));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(AppendTest, AStreamIsNotReadPastItsLimit) {
  options_.stream_limits.in_flight_requests = 4;
  Start();
  ASSERT_TRUE(Append(1, 1, {"first"}).ok());
  auto gate = std::make_shared<Gate>();
  {
    absl::MutexLock lock(&engine_->Region(1)->mutex);
    engine_->Region(1)->in_commit = [gate] { gate->Pass(); };
  }
  grpc::ClientContext call;
  const auto stream = wal_->AppendStream(&call);
  for (uint64_t id = 0; id < 40; ++id) ASSERT_TRUE(stream->Write(Request(id, 1, "x")));
  gate->AwaitArrival();
  gate->Open();
  stream->WritesDone();
  v1::AppendStreamResponse response;
  uint64_t answers = 0;
  while (stream->Read(&response)) ++answers;
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(answers, 40u);
  for (const size_t group : engine_->Region(1)->GroupSizes()) EXPECT_LE(group, 4u);
}

// Each client sends before any answer comes, more than the mailboxes hold.
TEST_F(AppendTest, StreamsAreSlowedAtAFullMailboxAndNothingOfThemIsRefused) {
  options_.registry.mailbox_bytes = 3000;
  Start();
  ASSERT_TRUE(Append(1, 1, {"first"}).ok());
  auto gate = std::make_shared<Gate>();
  {
    absl::MutexLock lock(&engine_->Region(1)->mutex);
    engine_->Region(1)->in_commit = [gate] { gate->Pass(); };
  }
  struct Client {
    grpc::ClientContext call;
    std::unique_ptr<grpc::ClientReaderWriter<v1::AppendStreamRequest, v1::AppendStreamResponse>>
        stream;
  };
  constexpr uint64_t kBatches = 20;
  std::vector<std::unique_ptr<Client>> clients;
  for (uint64_t region = 1; region <= 5; ++region) {
    clients.push_back(std::make_unique<Client>());
    clients.back()->stream = wal_->AppendStream(&clients.back()->call);
    for (uint64_t id = 0; id < kBatches; ++id) {
      ASSERT_TRUE(clients.back()->stream->Write(Request(id, region, std::string(1000, 'x'))));
    }
  }
  gate->AwaitArrival();
  gate->Open();
  for (const auto& client : clients) {
    client->stream->WritesDone();
    v1::AppendStreamResponse response;
    uint64_t answers = 0;
    for (; client->stream->Read(&response); ++answers) {
      EXPECT_EQ(response.request_id(), answers);
      EXPECT_TRUE(response.has_appended()) << response.refused().message();
    }
    EXPECT_EQ(answers, kBatches);
    EXPECT_TRUE(client->stream->Finish().ok());
  }
  ExpectNoBytesHeld();
}

TEST_F(AppendTest, AProducersRefusedBatchHoldsUpItsSuccessorsUntilItIsSentAgain) {
  v1::OpenProducerRequest open;
  open.set_region_id(1);
  v1::OpenProducerResponse opened;
  {
    grpc::ClientContext call;
    ASSERT_TRUE(wal_->OpenProducer(&call, open, &opened).ok());
  }
  const auto batch = [&](uint64_t sequence) {
    v1::AppendStreamRequest request = Request(sequence, 1, absl::StrCat("batch ", sequence));
    request.mutable_append()->mutable_producer()->set_id(opened.producer_id());
    request.mutable_append()->mutable_producer()->set_sequence(sequence);
    return request;
  };
  grpc::ClientContext call;
  const auto stream = wal_->AppendStream(&call);
  v1::AppendStreamRequest refused = batch(1);
  refused.mutable_append()->set_expected_next_sequence(7);
  for (const auto& request : {refused, batch(2), batch(3), batch(1), batch(2), batch(3)}) {
    ASSERT_TRUE(stream->Write(request));
  }
  stream->WritesDone();
  std::vector<std::string> answers;
  v1::AppendStreamResponse response;
  while (stream->Read(&response)) {
    google::rpc::ErrorInfo info;
    if (response.has_refused()) response.refused().details(0).UnpackTo(&info);
    answers.push_back(absl::StrCat(response.request_id(), " ", info.reason(),
                                   info.metadata().count("expected_producer_sequence") > 0
                                       ? info.metadata().at("expected_producer_sequence")
                                       : ""));
  }
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_THAT(answers, ElementsAre("1 SEQUENCE_MISMATCH", "2 PRODUCER_OUT_OF_ORDER1",
                                   "3 PRODUCER_OUT_OF_ORDER1", "1 ", "2 ", "3 "));
  EXPECT_THAT(engine_->Region(1)->Payloads(1), ElementsAre("batch 1", "batch 2", "batch 3"));
}

TEST_F(AppendTest, ACancelledStreamLeavesNothingBehind) {
  for (int round = 0; round < 20; ++round) {
    grpc::ClientContext call;
    const auto stream = wal_->AppendStream(&call);
    for (uint64_t id = 0; id < 20; ++id) stream->Write(Request(id, round % 3, "x"));
    if (round % 2 == 0) {
      v1::AppendStreamResponse response;
      stream->Read(&response);
    }
    call.TryCancel();
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  ExpectNoBytesHeld();
  EXPECT_TRUE(Append(1, 1, {"still alive"}).ok());
}

TEST_F(AppendTest, MarkDeletedIsClampedAndAnsweredForNothing) {
  ASSERT_TRUE(Append(1, 1, {"a", "b"}).ok());
  v1::MarkDeletedRequest request;
  request.set_region_id(1);
  request.set_table_id(1);
  request.set_through_sequence(100);
  v1::MarkDeletedResponse response;
  grpc::ClientContext call;
  ASSERT_TRUE(wal_->MarkDeleted(&call, request, &response).ok());
  EXPECT_EQ(response.deleted_through(), 2u);
  request.set_region_id(99);
  grpc::ClientContext second_call;
  ASSERT_TRUE(wal_->MarkDeleted(&second_call, request, &response).ok());
  EXPECT_EQ(response.deleted_through(), 0u);
  EXPECT_EQ(engine_->ListRegions()->size(), 1u);
}

}  // namespace
}  // namespace walden
