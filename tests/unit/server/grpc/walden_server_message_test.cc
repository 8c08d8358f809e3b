// No message is larger than the client takes, over a real socket.
#include <gmock/gmock.h>

#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "tests/unit/server/grpc/walden_server_fixture.h"

namespace walden {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

class MessageTest : public WaldenServerTest {
 protected:
  static v1::RecoverRequest RecoverOf(uint64_t region) {
    v1::RecoverRequest request;
    request.set_region_id(region);
    return request;
  }

  static std::string Metadata(const grpc::Status& status, const std::string& key) {
    google::rpc::Status details;
    google::rpc::ErrorInfo info;
    if (!details.ParseFromString(status.error_details())) return "";
    for (const google::protobuf::Any& detail : details.details()) {
      if (detail.UnpackTo(&info)) return info.metadata().at(key);
    }
    return "";
  }
};

TEST_F(MessageTest, ARecordThatFitsNoMessageEndsTheReadAndNamesWhatItNeeds) {
  ASSERT_TRUE(Append(1, 1, {"before", std::string(5 * kMiB, 'L'), "behind"}).ok());
  v1::ReadRequest request = ReadOf(1, 1);
  v1::ReadResponse all;
  const grpc::Status refused = Read(request, &all);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(ReasonOf(refused), "RECORD_TOO_LARGE");
  EXPECT_EQ(Metadata(refused, "sequence"), "2");
  EXPECT_EQ(all.records_size(), 1) << "what lies before it comes";
  uint64_t needed = 0;
  ASSERT_TRUE(absl::SimpleAtoi(Metadata(refused, "needed_bytes"), &needed));
  EXPECT_GT(needed, 5 * kMiB);

  grpc::ClientContext call;
  const auto recover = wal_->Recover(&call, RecoverOf(1));
  v1::RecoverResponse part;
  while (recover->Read(&part)) EXPECT_LE(part.ByteSizeLong(), 4 * kMiB);
  EXPECT_EQ(ReasonOf(recover->Finish()), "RECORD_TOO_LARGE");

  // A client that takes that much.
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(static_cast<int>(needed));
  const auto taker = v1::WalService::NewStub(grpc::CreateCustomChannel(
      absl::StrCat("unix:", directory_, "/socket"), grpc::InsecureChannelCredentials(), arguments));
  request.set_max_message_bytes(needed);
  grpc::ClientContext large_call;
  const auto stream = taker->Read(&large_call, request);
  v1::ReadResponse response;
  int records = 0;
  while (stream->Read(&response)) records += response.records_size();
  const grpc::Status ended = stream->Finish();
  EXPECT_TRUE(ended.ok()) << ended.error_message();
  EXPECT_EQ(records, 3);
  ExpectNoBytesHeld();
}

TEST_F(MessageTest, ADefaultClientReadsTheLargestRecordThatTheDefaultsTake) {
  const size_t largest = 4095 * 1024;  // limits.max_payload_bytes
  ASSERT_TRUE(Append(1, 1, {"a", std::string(largest, 'L'), "b"}).ok());
  v1::ReadResponse all;
  const grpc::Status read = Read(ReadOf(1, 1), &all);
  ASSERT_TRUE(read.ok()) << read.error_message();
  ASSERT_EQ(all.records_size(), 3);
  EXPECT_EQ(all.records(1).payload().size(), largest);
  grpc::ClientContext call;
  const auto stream = wal_->Recover(&call, RecoverOf(1));
  v1::RecoverResponse part;
  while (stream->Read(&part)) EXPECT_LE(part.ByteSizeLong(), 4 * kMiB);
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(MessageTest, AMessageIsNeverLargerThanTheRequestSays) {
  std::vector<std::string> written;
  for (int i = 0; i < 400; ++i) written.push_back(std::string((i * 7919) % 3000, 'x'));
  ASSERT_TRUE(Append(1, 1, written).ok());
  for (const uint64_t limit : {4096u, 5000u, 100'000u}) {
    v1::ReadRequest request = ReadOf(1, 1);
    request.set_max_message_bytes(limit);
    grpc::ClientContext call;
    const auto stream = wal_->Read(&call, request);
    v1::ReadResponse response;
    std::vector<std::string> read;
    while (stream->Read(&response)) {
      EXPECT_LE(response.ByteSizeLong(), limit);
      for (const v1::LogRecord& record : response.records()) read.push_back(record.payload());
    }
    EXPECT_TRUE(stream->Finish().ok());
    EXPECT_TRUE(read == written);
  }
  v1::ReadRequest request = ReadOf(1, 1);
  request.set_max_message_bytes(4095);
  v1::ReadResponse all;
  EXPECT_EQ(ReasonOf(Read(request, &all)), "INVALID_FIELD");
}

TEST_F(MessageTest, AfterALargeRecordTheChunksAreAsBefore) {
  options_.read_chunk_bytes = 64 << 10;
  Start();
  std::vector<std::string> written(1, std::string(3 * kMiB, 'L'));
  for (int i = 0; i < 4000; ++i) written.emplace_back(1000, 's');
  ASSERT_TRUE(Append(1, 1, written).ok());
  grpc::ClientContext call;
  const auto stream = wal_->Read(&call, ReadOf(1, 1));
  v1::ReadResponse response;
  while (stream->Read(&response)) {
    if (response.records_size() == 1 && response.records(0).sequence() == 1) continue;
    EXPECT_LE(response.ByteSizeLong(), 2u * (64 << 10) + 128);
  }
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(MessageTest, TheStateOfManyTablesComesInParts) {
  std::vector<TableMark> marks;
  for (TableId table = 1; table <= 150'000; ++table) marks.push_back({table, 999'999'999'999});
  engine_->Region(1)->AddMarks(std::move(marks));
  grpc::ClientContext call;
  const auto stream = wal_->Recover(&call, RecoverOf(1));
  v1::RecoverResponse part;
  uint64_t tables = 0;
  int parts = 0;
  bool has_summary = false;
  while (stream->Read(&part)) {
    EXPECT_LE(part.ByteSizeLong(), 4 * kMiB);
    if (part.has_state()) {
      EXPECT_EQ(part.state().engine(), parts == 0 ? "memory" : "");
      ++parts;
      for (const v1::TableState& table : part.state().tables()) {
        EXPECT_EQ(table.table_id(), ++tables);
      }
    }
    has_summary |= part.has_summary();
  }
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(tables, 150'000u);
  EXPECT_GT(parts, 1);
  EXPECT_TRUE(has_summary);
  ExpectNoBytesHeld();
}

TEST_F(MessageTest, AClientThatTakesNothingIsBrokenOffWhileOthersWait) {
  options_.reader_bytes = 2 << 20;
  options_.reader_wait = absl::Seconds(60);
  options_.reader_stall = absl::Seconds(1);
  Start();
  const std::vector<std::string> batch(100, std::string(10'000, 'x'));
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(Append(1, 1, batch).ok());
  std::vector<std::unique_ptr<grpc::ClientContext>> calls;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::ReadResponse>>> stalled;
  for (int i = 0; i < 12; ++i) {
    calls.push_back(std::make_unique<grpc::ClientContext>());
    stalled.push_back(wal_->Read(calls.back().get(), ReadOf(1, 1)));
  }
  grpc::ClientContext call;
  const auto stream = wal_->Recover(&call, RecoverOf(1));
  v1::RecoverResponse part;
  uint64_t records = 0;
  while (stream->Read(&part)) records += part.records_size();
  const grpc::Status ended = stream->Finish();
  EXPECT_TRUE(ended.ok()) << ended.error_message();
  EXPECT_EQ(records, 2000u);
  int broken_off = 0;
  v1::ReadResponse response;
  for (auto& reader : stalled) {
    while (reader->Read(&response)) continue;
    const grpc::Status status = reader->Finish();
    if (status.ok()) continue;
    EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_NE(status.error_message().find("limits.reader_stall"), std::string::npos);
    ++broken_off;
  }
  EXPECT_GT(broken_off, 0);
  ExpectNoBytesHeld();
}

}  // namespace
}  // namespace walden
