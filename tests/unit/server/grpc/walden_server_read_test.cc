// Read and Recover over a real socket.
#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/unit/server/grpc/walden_server_fixture.h"

namespace walden {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using ReadTest = WaldenServerTest;
using RecoverTest = WaldenServerTest;

TEST_F(ReadTest, StreamsPositionThenRecords) {
  ASSERT_TRUE(Append(1, 1, {"a", "", "c"}).ok());
  grpc::ClientContext call;
  const auto stream = wal_->Read(&call, ReadOf(1, 1));
  v1::ReadResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.position().first_live_sequence(), 1u);
  EXPECT_EQ(response.position().next_sequence(), 4u);
  EXPECT_EQ(response.records_size(), 0);
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_FALSE(response.has_position());
  EXPECT_THAT(PayloadsOf(response), ElementsAre("a", "", "c"));
  EXPECT_EQ(response.records(2).sequence(), 3u);
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.summary().record_count(), 3u);
  EXPECT_EQ(response.summary().payload_bytes(), 2u);
  EXPECT_EQ(response.summary().resume_sequence(), 4u);
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(ReadTest, WhatWasNeverWrittenIsEmptyAndCreatesNothing) {
  v1::ReadResponse all;
  ASSERT_TRUE(Read(ReadOf(5, 1), &all).ok());
  EXPECT_EQ(all.position().next_sequence(), 1u);
  EXPECT_THAT(PayloadsOf(all), IsEmpty());
  EXPECT_THAT(*engine_->ListRegions(), IsEmpty());
}

TEST_F(ReadTest, BoundsAndLimits) {
  ASSERT_TRUE(Append(1, 1, {"1", "2", "3", "4", "5"}).ok());
  v1::ReadRequest request = ReadOf(1, 1);
  request.mutable_start()->set_exclusive(1);
  request.mutable_end()->set_inclusive(4);
  v1::ReadResponse all;
  ASSERT_TRUE(Read(request, &all).ok());
  EXPECT_THAT(PayloadsOf(all), ElementsAre("2", "3", "4"));
  request.set_max_records(2);
  all.Clear();
  ASSERT_TRUE(Read(request, &all).ok());
  EXPECT_THAT(PayloadsOf(all), ElementsAre("2", "3"));
  request.set_max_bytes(1);
  all.Clear();
  ASSERT_TRUE(Read(request, &all).ok());
  EXPECT_THAT(PayloadsOf(all), ElementsAre("2"));
  request.mutable_start()->set_inclusive(9);
  EXPECT_EQ(ReasonOf(Read(request, &all)), "BOUNDS_REVERSED");
  request = ReadOf(1, 1);
  request.set_namespace_id(9);
  EXPECT_EQ(ReasonOf(Read(request, &all)), "UNKNOWN_NAMESPACE");
}

TEST_F(ReadTest, AnEmptyRangeSaysWhereToReadOn) {
  ASSERT_TRUE(Append(1, 1, {"1", "2", "3", "4", "5"}).ok());
  ASSERT_TRUE(MarkDeleted(1, 1, 2).ok());
  const auto next_of = [this](const v1::ReadRequest& request) {
    v1::ReadResponse all;
    EXPECT_TRUE(Read(request, &all).ok());
    EXPECT_EQ(all.records_size(), 0);
    EXPECT_EQ(all.summary().record_count(), 0u);
    return all.summary().resume_sequence();
  };
  v1::ReadRequest request = ReadOf(1, 1);
  request.mutable_start()->set_inclusive(6);
  EXPECT_EQ(next_of(request), 6u) << "at the end";
  request.mutable_start()->set_inclusive(9);
  EXPECT_EQ(next_of(request), 9u) << "behind the end: what comes between is not of the range";
  request.mutable_start()->set_exclusive(9);
  EXPECT_EQ(next_of(request), 10u);
  request.mutable_start()->set_inclusive(4);
  request.mutable_end()->set_exclusive(4);
  EXPECT_EQ(next_of(request), 4u) << "between two bounds that hold nothing";
  request.mutable_start()->set_exclusive(4);
  request.mutable_end()->set_inclusive(4);
  EXPECT_EQ(next_of(request), 5u);
  request.clear_start();
  request.mutable_end()->set_inclusive(2);
  EXPECT_EQ(next_of(request), 3u) << "everything of it is deleted";
  request.mutable_end()->set_exclusive(0);
  EXPECT_EQ(next_of(request), 3u);
  request = ReadOf(77, 1);
  EXPECT_EQ(next_of(request), 1u) << "a region that does not exist";
  request.mutable_start()->set_inclusive(4);
  EXPECT_EQ(next_of(request), 4u);
  ASSERT_TRUE(MarkDeleted(1, 1, 5).ok());
  EXPECT_EQ(next_of(ReadOf(1, 1)), 6u) << "everything is deleted";
}

TEST_F(ReadTest, ManyChunksOfAllSizesComeBackByteForByte) {
  options_.read_chunk_bytes = 4096;
  Start();
  std::vector<std::string> written;
  for (int i = 0; i < 300; ++i) {
    written.push_back(std::string((i * 7919) % 3000, static_cast<char>(i)));
  }
  written.push_back(std::string(1'000'000, 'L'));  // far larger than a chunk
  for (int i = 0; i < 300; ++i) written.push_back(std::string(i % 2, 's'));
  ASSERT_TRUE(Append(1, 1, written).ok());
  v1::ReadResponse all;
  ASSERT_TRUE(Read(ReadOf(1, 1), &all).ok());
  EXPECT_TRUE(PayloadsOf(all) == written);
  for (int i = 0; i < all.records_size(); ++i) {
    ASSERT_EQ(all.records(i).sequence(), static_cast<uint64_t>(i + 1));
  }
  EXPECT_EQ(Statistics().read_record_count(), written.size());
  ExpectNoBytesHeld();
}

TEST_F(ReadTest, AFollowerSeesWhatIsAppendedAndTheRegionBeingCreated) {
  v1::ReadRequest request = ReadOf(8, 1);
  request.set_follow(true);
  request.mutable_end()->set_inclusive(3);
  grpc::ClientContext call;
  const auto stream = wal_->Read(&call, request);
  v1::ReadResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_TRUE(response.has_position());
  EXPECT_FALSE(response.caught_up());
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_TRUE(response.caught_up()) << "there is nothing to be read";
  ASSERT_TRUE(Append(9, 1, {"another region"}).ok());
  ASSERT_TRUE(Append(8, 2, {"another table"}).ok());
  for (int i = 1; i <= 3; ++i) {
    ASSERT_TRUE(Append(8, 1, {absl::StrCat("record ", i)}).ok());
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_FALSE(response.has_position());
    EXPECT_THAT(PayloadsOf(response), ElementsAre(absl::StrCat("record ", i)));
    if (i == 3) break;
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_TRUE(response.caught_up());
    EXPECT_GT(response.position().next_sequence(), static_cast<uint64_t>(i));
  }
  ASSERT_TRUE(stream->Read(&response)) << "the end was reached";
  EXPECT_EQ(response.summary().record_count(), 3u);
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(ReadTest, IdleFollowersHoldNoBytesAndCanBeCancelled) {
  ASSERT_TRUE(Append(1, 1, {"a"}).ok());
  std::vector<std::unique_ptr<grpc::ClientContext>> calls;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::ReadResponse>>> streams;
  v1::ReadRequest request = ReadOf(1, 1);
  request.set_follow(true);
  v1::ReadResponse response;
  for (int i = 0; i < 50; ++i) {
    calls.push_back(std::make_unique<grpc::ClientContext>());
    streams.push_back(wal_->Read(calls.back().get(), request));
    do {
      ASSERT_TRUE(streams.back()->Read(&response));
    } while (!response.caught_up());
  }
  for (int i = 0; i < 1000 && Statistics().reader_bytes() > 0; ++i) {
    absl::SleepFor(absl::Milliseconds(10));
  }
  EXPECT_EQ(Statistics().reader_bytes(), 0u);
  EXPECT_EQ(Statistics().open_reader_count(), 50u);
  for (auto& call : calls) call->TryCancel();
  for (auto& stream : streams) {
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  ExpectNoBytesHeld();
}

TEST_F(ReadTest, ReadersOfAClosedRegionEndUnavailable) {
  ASSERT_TRUE(Append(1, 1, {"a"}).ok());
  v1::ReadRequest request = ReadOf(1, 1);
  request.set_follow(true);
  grpc::ClientContext call;
  const auto stream = wal_->Read(&call, request);
  v1::ReadResponse response;
  do {
    ASSERT_TRUE(stream->Read(&response));
  } while (!response.caught_up());
  v1::CloseRegionRequest close;
  close.set_region_id(1);
  v1::CloseRegionResponse closed;
  grpc::ClientContext close_call;
  ASSERT_TRUE(admin_->CloseRegion(&close_call, close, &closed).ok());
  EXPECT_TRUE(closed.was_open());
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(ReadTest, DamageEndsTheStreamAfterWhatIsInFrontOfIt) {
  ASSERT_TRUE(Append(1, 1, {"a", "b", "c"}).ok());
  engine_->Region(1)->SetDamagedAt(3);
  v1::ReadResponse all;
  const grpc::Status status = Read(ReadOf(1, 1), &all);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_EQ(ReasonOf(status), "CORRUPTION");
  EXPECT_THAT(PayloadsOf(all), ElementsAre("a", "b"));
}

// A client that does not read holds two chunks and what fits into its connection, and nobody up.
TEST_F(ReadTest, ASlowReaderSlowsNobodyElse) {
  options_.read_chunk_bytes = 64 << 10;
  options_.reader_bytes = 8 << 20;
  Start();
  for (int i = 0; i < 16; ++i) {
    ASSERT_TRUE(Append(1, 1, {std::string(1 << 20, 'x')}).ok());
  }
  grpc::ClientContext slow_call;
  const auto slow = wal_->Read(&slow_call, ReadOf(1, 1));
  for (int i = 0; i < 3; ++i) {
    v1::ReadResponse all;
    const grpc::Status status = Read(ReadOf(1, 1), &all);
    ASSERT_TRUE(status.ok()) << status.error_message() << Statistics().DebugString();
    EXPECT_EQ(all.records_size(), 16);
  }
  EXPECT_TRUE(Append(1, 1, {"a"}).ok());
  slow_call.TryCancel();
  slow->Finish();
  ExpectNoBytesHeld();
}

TEST_F(ReadTest, AReaderThatGetsNoBytesIsRefusedInTheEnd) {
  options_.read_chunk_bytes = 1 << 20;
  options_.reader_bytes = 1 << 20;
  options_.reader_wait = absl::Milliseconds(200);
  Start();
  for (int i = 0; i < 8; ++i) {
    ASSERT_TRUE(Append(1, 1, {std::string(1 << 20, 'x')}).ok());
  }
  // Its connection's window is far smaller than a chunk, so the first chunk stays here.
  grpc::ClientContext slow_call;
  const auto slow = wal_->Read(&slow_call, ReadOf(1, 1));
  while (Statistics().reader_bytes() == 0) absl::SleepFor(absl::Milliseconds(1));
  v1::ReadResponse all;
  EXPECT_EQ(ReasonOf(Read(ReadOf(1, 1), &all)), "READER_BUDGET_FULL");
  slow_call.TryCancel();
  slow->Finish();
  ExpectNoBytesHeld();
  all.Clear();
  EXPECT_TRUE(Read(ReadOf(1, 1), &all).ok()) << "there is room again";
}

TEST_F(ReadTest, LargeRecordsStayWithinTheBudget) {
  options_.read_chunk_bytes = 64 << 10;
  options_.reader_bytes = 5 << 20;
  options_.reader_wait = absl::Seconds(60);
  Start();
  for (int i = 0; i < 8; ++i) {
    ASSERT_TRUE(Append(1, 1, {std::string(1 << 20, 'x'), "small"}).ok());
  }
  std::vector<std::unique_ptr<grpc::ClientContext>> calls;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::ReadResponse>>> slow;
  for (int i = 0; i < 8; ++i) {
    calls.push_back(std::make_unique<grpc::ClientContext>());
    slow.push_back(wal_->Read(calls.back().get(), ReadOf(1, 1)));
  }
  for (int i = 0; i < 20; ++i) {
    EXPECT_LE(Statistics().reader_bytes(), options_.reader_bytes);
    absl::SleepFor(absl::Milliseconds(5));
  }
  std::vector<std::thread> readers;
  for (auto& stream : slow) {
    readers.emplace_back([this, &stream] {
      v1::ReadResponse part;
      int records = 0;
      while (stream->Read(&part)) records += part.records_size();
      EXPECT_TRUE(stream->Finish().ok());
      EXPECT_EQ(records, 16);
      EXPECT_LE(Statistics().reader_bytes(), options_.reader_bytes);
    });
  }
  for (std::thread& reader : readers) reader.join();
  ExpectNoBytesHeld();
}

TEST_F(ReadTest, TheLastRecordsOfATableThatSharesItsNumbers) {
  for (int i = 1; i <= 20; ++i) {
    ASSERT_TRUE(Append(1, 1, {absl::StrCat("record ", i)}).ok());
    // Numbers that this table's records do not have.
    if (i % 3 == 0) engine_->Region(1)->AddNumbers(1, i + 1 + i / 3 * 50);
  }
  ASSERT_TRUE(MarkDeleted(1, 1, 1).ok());
  v1::ReadRequest request = ReadOf(1, 1);
  for (const uint64_t count : {1u, 3u, 7u, 19u, 100u}) {
    request.set_last_records(count);
    v1::ReadResponse all;
    ASSERT_TRUE(Read(request, &all).ok());
    EXPECT_EQ(all.records_size(), static_cast<int>(std::min<uint64_t>(count, 19)));
    EXPECT_EQ(all.records().rbegin()->payload(), "record 20");
  }
  request.set_last_records(0);
  v1::ReadResponse all;
  EXPECT_EQ(ReasonOf(Read(request, &all)), "INVALID_FIELD");
  request = ReadOf(1, 9);
  request.set_last_records(5);
  ASSERT_TRUE(Read(request, &all).ok());
  EXPECT_THAT(PayloadsOf(all), IsEmpty());
}

TEST_F(ReadTest, HeartbeatsSayWhereTheEndIsWhileNothingComes) {
  for (const uint64_t region : {1, 2}) {  // one that exists, and one that does not
    SCOPED_TRACE(region);
    ASSERT_TRUE(Append(1, 1, {"a"}).ok());
    v1::ReadRequest request = ReadOf(region, 1);
    request.set_follow(true);
    request.mutable_heartbeat_interval()->set_nanos(10'000'000);
    grpc::ClientContext call;
    const auto stream = wal_->Read(&call, request);
    v1::ReadResponse response;
    do {
      ASSERT_TRUE(stream->Read(&response));
    } while (!response.caught_up());
    for (int beat = 0; beat < 5; ++beat) {
      ASSERT_TRUE(stream->Read(&response));
      EXPECT_TRUE(response.caught_up());
      EXPECT_TRUE(response.has_position());
      EXPECT_EQ(response.records_size(), 0);
    }
    ASSERT_TRUE(Append(region, 1, {"b"}).ok());
    do {
      ASSERT_TRUE(stream->Read(&response));
    } while (response.records_size() == 0);
    EXPECT_THAT(PayloadsOf(response), ElementsAre("b"));
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_TRUE(response.caught_up());
    call.TryCancel();
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  ExpectNoBytesHeld();
  v1::ReadRequest request = ReadOf(1, 1);
  request.mutable_heartbeat_interval()->set_nanos(1'000'000);
  v1::ReadResponse all;
  EXPECT_EQ(ReasonOf(Read(request, &all)), "INVALID_FIELD");
}

TEST_F(ReadTest, ALogCannotBeTakenOver) {
  v1::ReadRequest request = ReadOf(1, 1);
  v1::ReadResponse all;
  request.mutable_acquire()->set_region_version(0);
  EXPECT_EQ(ReasonOf(Read(request, &all)), "INVALID_FIELD");
  request.mutable_acquire()->clear_region_version();
  const grpc::Status refused = Read(request, &all);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(ReasonOf(refused), "UNSUPPORTED");
}

TEST_F(RecoverTest, StateThenRecordsThenASummaryThatCountsThem) {
  ASSERT_TRUE(Append(1, 1, {"a1", "a2"}).ok());
  ASSERT_TRUE(Append(1, 2, {"b1"}).ok());
  ASSERT_TRUE(Append(1, 1, {"a3"}).ok());
  v1::RecoverRequest request;
  request.set_region_id(1);
  grpc::ClientContext call;
  const auto stream = wal_->Recover(&call, request);
  std::vector<v1::RecoverResponse> parts;
  v1::RecoverResponse part;
  while (stream->Read(&part)) parts.push_back(part);
  ASSERT_TRUE(stream->Finish().ok());
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_EQ(parts[0].state().engine(), "memory");
  EXPECT_EQ(parts[0].state().record_order(), v1::RECORD_ORDER_APPEND);
  ASSERT_EQ(parts[0].state().tables_size(), 2);
  EXPECT_EQ(parts[0].state().tables(0).position().next_sequence(), 4u);
  EXPECT_EQ(parts[0].state().tables(0).last_live_sequence(), 3u);
  std::vector<std::string> records;
  for (const v1::TableLogRecord& record : parts[1].records()) {
    records.push_back(
        absl::StrCat(record.table_id(), "/", record.sequence(), ":", record.payload()));
  }
  EXPECT_THAT(records, ElementsAre("1/1:a1", "1/2:a2", "2/1:b1", "1/3:a3"));
  EXPECT_EQ(parts[2].summary().record_count(), 4u);
  EXPECT_EQ(parts[2].summary().payload_bytes(), 8u);
  EXPECT_EQ(parts[2].summary().table_count(), 2u);
}

TEST_F(RecoverTest, OneTableAndWhatWasNeverWritten) {
  ASSERT_TRUE(Append(1, 1, {"a1", "a2"}).ok());
  ASSERT_TRUE(Append(1, 2, {"b1"}).ok());
  for (const auto& [region, expected] : std::map<uint64_t, uint64_t>{{1, 1}, {77, 0}}) {
    v1::RecoverRequest request;
    request.set_region_id(region);
    request.set_table_id(2);
    grpc::ClientContext call;
    const auto stream = wal_->Recover(&call, request);
    v1::RecoverResponse part;
    ASSERT_TRUE(stream->Read(&part));
    EXPECT_EQ(part.state().tables_size(), static_cast<int>(expected));
    v1::RecoverResponse last;
    while (stream->Read(&part)) last = part;
    ASSERT_TRUE(stream->Finish().ok());
    EXPECT_EQ(last.summary().record_count(), expected);
    EXPECT_EQ(last.summary().table_count(), expected);
  }
  EXPECT_EQ(engine_->ListRegions()->size(), 1u);
}

TEST_F(RecoverTest, ACutStreamHasNoSummary) {
  ASSERT_TRUE(Append(1, 1, {"a", "b", "c"}).ok());
  engine_->Region(1)->SetDamagedAt(2);
  v1::RecoverRequest request;
  request.set_region_id(1);
  grpc::ClientContext call;
  const auto stream = wal_->Recover(&call, request);
  v1::RecoverResponse part;
  while (stream->Read(&part)) EXPECT_FALSE(part.has_summary());
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::DATA_LOSS);
}

}  // namespace
}  // namespace walden
