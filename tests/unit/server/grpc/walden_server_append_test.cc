// Append, AppendStream and MarkDeleted over a real socket.
#include <gmock/gmock.h>

#include <atomic>
#include <deque>
#include <map>
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
    v1::StreamedAppend* const streamed = request.add_appends();
    streamed->set_request_id(id);
    streamed->mutable_append()->set_region_id(region);
    v1::TableAppend* const part = streamed->mutable_append()->add_tables();
    part->set_table_id(1);
    part->add_payloads(payload);
    return request;
  }
  static v1::AppendRequest Single(uint64_t region, const std::string& payload) {
    return Request(0, region, payload).appends(0).append();
  }

  using Stream = grpc::ClientReaderWriter<v1::AppendStreamRequest, v1::AppendStreamResponse>;

  // The next answer of the stream; false at its end.
  bool Next(Stream* stream, v1::StreamedAppendResult* result) {
    while (results_.empty()) {
      v1::AppendStreamResponse response;
      if (!stream->Read(&response)) return false;
      results_.assign(response.results().begin(), response.results().end());
    }
    *result = results_.front();
    results_.pop_front();
    return true;
  }

 private:
  std::deque<v1::StreamedAppendResult> results_;  // read and not yet returned
};

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
  v1::AppendRequest buffered = Single(2, "not synced yet");
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
  v1::StreamedAppendResult result;
  const auto append = [&](uint64_t id) {
    ASSERT_TRUE(stream->Write(Request(id, 1, "x")));
    ASSERT_TRUE(Next(stream.get(), &result));
    EXPECT_TRUE(result.has_appended());
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
  v1::StreamedAppendResult result;
  uint64_t answers = 0;
  while (Next(stream.get(), &result)) {
    EXPECT_EQ(result.request_id(), answers);
    EXPECT_EQ(result.appended().tables(0).first_sequence(), answers + 1);
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
  empty.mutable_appends(0)->mutable_append()->clear_tables();
  ASSERT_TRUE(stream->Write(empty));
  ASSERT_TRUE(stream->Write(Request(12, 1, "after")));
  v1::AppendStreamRequest missing;
  missing.add_appends()->set_request_id(13);
  ASSERT_TRUE(stream->Write(missing));
  ASSERT_TRUE(stream->Write(Request(14, 2, "elsewhere")));
  v1::StreamedAppendResult result;
  // What is held up in one region holds up no other.
  ASSERT_TRUE(Next(stream.get(), &result));
  EXPECT_EQ(result.request_id(), 13u);
  EXPECT_EQ(result.error().code(), 3);
  ASSERT_TRUE(Next(stream.get(), &result));
  EXPECT_EQ(result.request_id(), 14u);
  gate->Open();
  std::vector<uint64_t> order;
  stream->WritesDone();
  while (Next(stream.get(), &result)) {
    order.push_back(result.request_id());
    EXPECT_EQ(result.has_error(), result.request_id() == 11);
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
  v1::StreamedAppendResult result;
  uint64_t answers = 0;
  while (Next(stream.get(), &result)) ++answers;
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
    std::unique_ptr<Stream> stream;
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
    v1::StreamedAppendResult result;
    uint64_t answers = 0;
    for (; Next(client->stream.get(), &result); ++answers) {
      EXPECT_EQ(result.request_id(), answers);
      EXPECT_TRUE(result.has_appended()) << result.error().message();
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
    v1::Producer* const producer = request.mutable_appends(0)->mutable_append()->mutable_producer();
    producer->set_id(opened.producer_id());
    producer->set_sequence(sequence);
    return request;
  };
  grpc::ClientContext call;
  const auto stream = wal_->AppendStream(&call);
  v1::AppendStreamRequest refused = batch(1);
  refused.mutable_appends(0)->mutable_append()->mutable_tables(0)->set_expected_next_sequence(7);
  for (const auto& request : {refused, batch(2), batch(3), batch(1), batch(2), batch(3)}) {
    ASSERT_TRUE(stream->Write(request));
  }
  stream->WritesDone();
  std::vector<std::string> answers;
  v1::StreamedAppendResult result;
  while (Next(stream.get(), &result)) {
    google::rpc::ErrorInfo info;
    if (result.has_error()) result.error().details(0).UnpackTo(&info);
    answers.push_back(absl::StrCat(result.request_id(), " ", info.reason(),
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

TEST_F(AppendTest, MarksOfManyTablesAreClampedAndAnsweredForNothing) {
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
  ASSERT_EQ(response.tables_size(), 3);
  EXPECT_EQ(response.tables(0).deleted_through(), 2u);
  EXPECT_EQ(response.tables(1).table_id(), 2u);
  EXPECT_EQ(response.tables(1).deleted_through(), 1u);
  EXPECT_EQ(response.tables(2).deleted_through(), 0u);
  request.set_region_id(99);
  grpc::ClientContext second_call;
  v1::MarkDeletedResponse absent;
  ASSERT_TRUE(wal_->MarkDeleted(&second_call, request, &absent).ok());
  ASSERT_EQ(absent.tables_size(), 3);
  EXPECT_EQ(absent.tables(0).deleted_through(), 0u);
  EXPECT_EQ(engine_->ListRegions()->size(), 1u);
}

TEST_F(AppendTest, AMarkNeedsAPlaceAndATableOfItsOwn) {
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

TEST_F(AppendTest, AMessageHoldsManyAppendsAndTheirAnswersKeepTheirOrder) {
  constexpr uint64_t kAppends = 300;
  v1::AppendStreamRequest message;
  for (uint64_t id = 0; id < kAppends; ++id) {
    *message.add_appends() = Request(id, 1 + id % 3, absl::StrCat("record ", id)).appends(0);
  }
  message.mutable_appends(150)->mutable_append()->clear_tables();
  grpc::ClientContext call;
  const auto stream = wal_->AppendStream(&call);
  for (int round = 0; round < 3; ++round) ASSERT_TRUE(stream->Write(message));
  stream->WritesDone();
  std::map<uint64_t, std::vector<uint64_t>> answered;  // by region
  v1::StreamedAppendResult result;
  while (Next(stream.get(), &result)) {
    answered[result.request_id() % 3].push_back(result.request_id());
    EXPECT_EQ(result.has_error(), result.request_id() == 150);
  }
  EXPECT_TRUE(stream->Finish().ok());
  for (const uint64_t region : {0, 1, 2}) {
    ASSERT_EQ(answered[region].size(), kAppends);
    for (uint64_t i = 0; i < kAppends; ++i) EXPECT_EQ(answered[region][i], i % 100 * 3 + region);
    EXPECT_EQ(engine_->Region(1 + region)->Payloads(1).size(), region == 0 ? 297u : 300u);
  }
  ExpectNoBytesHeld();
}

TEST_F(AppendTest, AMessageWithTooManyAppendsEndsTheStreamAfterWhatCameBefore) {
  options_.limits.max_stream_message_batches = 3;
  Start();
  grpc::ClientContext call;
  const auto stream = wal_->AppendStream(&call);
  ASSERT_TRUE(stream->Write(Request(1, 1, "before")));
  v1::AppendStreamRequest message;
  for (uint64_t id = 0; id < 4; ++id) *message.add_appends() = Request(id, 1, "x").appends(0);
  ASSERT_TRUE(stream->Write(message));
  v1::StreamedAppendResult result;
  ASSERT_TRUE(Next(stream.get(), &result));
  EXPECT_TRUE(result.has_appended());
  EXPECT_FALSE(Next(stream.get(), &result));
  EXPECT_EQ(ReasonOf(stream->Finish()), "LIMIT_EXCEEDED");
  EXPECT_THAT(engine_->Region(1)->Payloads(1), ElementsAre("before"));
  ExpectNoBytesHeld();
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
  {
    absl::MutexLock lock(&engine_->Region(1)->mutex);
    engine_->Region(1)->fail_next_commit = true;
  }
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
