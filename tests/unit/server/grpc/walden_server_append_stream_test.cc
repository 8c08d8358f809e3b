// AppendStream over a real socket.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>

#include <atomic>
#include <map>
#include <numeric>
#include <thread>

#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "tests/unit/server/grpc/append_fixture.h"

namespace walden {
namespace {

using ::testing::ElementsAre;

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
    EXPECT_TRUE(result.has_response());
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
    EXPECT_EQ(result.response().tables(0).first_sequence(), answers + 1);
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
  engine_->Region(1)->SetInCommit([gate] { gate->Pass(); });
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
  // A batch that is held up in one region holds up no other region.
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
  engine_->Region(1)->SetInCommit([gate] { gate->Pass(); });
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
  engine_->Region(1)->SetInCommit([gate] { gate->Pass(); });
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
      EXPECT_TRUE(result.has_response()) << result.error().message();
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
    v1::ProducerBatch* const producer =
        request.mutable_appends(0)->mutable_append()->mutable_producer();
    producer->set_producer_id(opened.producer_id());
    producer->set_producer_sequence(sequence);
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
  EXPECT_TRUE(result.has_response());
  EXPECT_FALSE(Next(stream.get(), &result));
  EXPECT_EQ(ReasonOf(stream->Finish()), "LIMIT_EXCEEDED");
  EXPECT_THAT(engine_->Region(1)->Payloads(1), ElementsAre("before"));
  ExpectNoBytesHeld();
}

// The memory of the parsed message is counted before it is parsed.
TEST_F(AppendTest, AMessageOfTooManyFieldsForItsLengthEndsTheStreamAfterWhatCameBefore) {
  v1::GetServerInfoResponse info;
  grpc::ClientContext info_call;
  ASSERT_TRUE(admin_->GetServerInfo(&info_call, {}, &info).ok());
  const uint64_t limit = info.limits().max_parsed_message_bytes();
  constexpr uint64_t kPayloadBytes = 96;
  const auto with_payloads = [](uint64_t count) {
    v1::AppendStreamRequest message = Request(2, 1, "");
    v1::TableAppend* const table = message.mutable_appends(0)->mutable_append()->mutable_tables(0);
    for (uint64_t i = 1; i < count; ++i) table->add_payloads("");
    return message;
  };
  {
    // Below the limit it is parsed, and refused for its number of payloads, in its place.
    grpc::ClientContext call;
    const auto stream = wal_->AppendStream(&call);
    ASSERT_TRUE(stream->Write(with_payloads(limit / kPayloadBytes - 10)));
    stream->WritesDone();
    v1::StreamedAppendResult result;
    ASSERT_TRUE(Next(stream.get(), &result));
    EXPECT_EQ(result.request_id(), 2u);
    EXPECT_EQ(result.error().code(), 3);
    EXPECT_TRUE(stream->Finish().ok());
  }
  grpc::ClientContext call;
  const auto stream = wal_->AppendStream(&call);
  ASSERT_TRUE(stream->Write(Request(1, 1, "before")));
  const v1::AppendStreamRequest message = with_payloads(limit / kPayloadBytes + 1);
  ASSERT_LT(message.ByteSizeLong(), limit / 20);
  ASSERT_TRUE(stream->Write(message));
  v1::StreamedAppendResult result;
  ASSERT_TRUE(Next(stream.get(), &result));
  EXPECT_TRUE(result.has_response());
  ASSERT_FALSE(Next(stream.get(), &result));
  EXPECT_EQ(ReasonOf(stream->Finish()), "LIMIT_EXCEEDED");
  EXPECT_THAT(engine_->Region(1)->Payloads(1), ElementsAre("before"));
  grpc::ClientContext unary_call;
  v1::AppendResponse response;
  const grpc::Status unary = wal_->Append(&unary_call, message.appends(0).append(), &response);
  EXPECT_EQ(ReasonOf(unary), "LIMIT_EXCEEDED");
  EXPECT_NE(unary.error_message().find("when it is parsed"), std::string::npos);
  ExpectNoBytesHeld();
}

// The largest message that the limits allow, though each payload is one byte.
TEST_F(AppendTest, AFullBatchOfTheSmallestPayloadsFits) {
  v1::AppendStreamRequest message = Request(1, 1, "x");
  v1::AppendRequest* const append = message.mutable_appends(0)->mutable_append();
  for (uint64_t table = 2; table <= kMaxTablesPerBatch; ++table) {
    v1::TableAppend* const part = append->add_tables();
    part->set_table_id(table);
    for (int i = 0; i < 256; ++i) part->add_payloads("x");
  }
  for (int i = 1; i < 256; ++i) append->mutable_tables(0)->add_payloads("x");
  grpc::ClientContext call;
  const auto stream = wal_->AppendStream(&call);
  ASSERT_TRUE(stream->Write(message));
  v1::StreamedAppendResult result;
  ASSERT_TRUE(Next(stream.get(), &result));
  EXPECT_TRUE(result.has_response()) << result.error().message();
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

// Whole messages are held to what they take when they are parsed, so that a stream of the smallest
// appends holds no more than one of large ones.
TEST_F(AppendTest, AStreamIsNotReadPastTheBytesThatItsMessagesTakeWhenTheyAreParsed) {
  options_.stream_limits.in_flight_bytes = 64 << 10;
  options_.stream_limits.in_flight_requests = 1'000'000;
  Start();
  ASSERT_TRUE(Append(1, 1, {"first"}).ok());
  auto gate = std::make_shared<Gate>();
  engine_->Region(1)->SetInCommit([gate] { gate->Pass(); });
  // Each takes some hundred bytes when it is sent, and more than 64 KiB when it is parsed.
  v1::AppendStreamRequest message;
  for (uint64_t id = 0; id < 100; ++id) *message.add_appends() = Request(id, 1, "").appends(0);
  grpc::ClientContext call;
  const auto stream = wal_->AppendStream(&call);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(stream->Write(message));
  gate->AwaitArrival();
  gate->Open();
  stream->WritesDone();
  v1::StreamedAppendResult result;
  uint64_t answers = 0;
  while (Next(stream.get(), &result)) ++answers;
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(answers, 1000u);
  for (const size_t group : engine_->Region(1)->GroupSizes()) EXPECT_LE(group, 100u);
}

TEST_F(AppendTest, BytesThatAreNoMessageEndTheStreamAfterWhatCameBefore) {
  grpc::ClientContext call;
  grpc::GenericStub stub(channel_);
  grpc::CompletionQueue queue;
  const auto await = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  const auto stream = stub.PrepareCall(&call, "/walden.v1.WalService/AppendStream", &queue);
  stream->StartCall(nullptr);
  ASSERT_TRUE(await());
  for (const std::string& bytes :
       {Request(1, 1, "before").SerializeAsString(), std::string("\x0a\x7f", 2)}) {
    const grpc::Slice slice(bytes);
    stream->Write(grpc::ByteBuffer(&slice, 1), nullptr);
    ASSERT_TRUE(await());
  }
  grpc::ByteBuffer answer;
  stream->Read(&answer, nullptr);
  ASSERT_TRUE(await()) << "what came before is answered";
  stream->Read(&answer, nullptr);
  EXPECT_FALSE(await());
  grpc::Status status;
  stream->Finish(&status, nullptr);
  await();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReasonOf(status), "INVALID_FIELD");
}

}  // namespace
}  // namespace walden
