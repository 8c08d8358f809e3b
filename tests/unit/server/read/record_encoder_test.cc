#include "server/read/record_encoder.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "server/call/time_to_proto.h"
#include "server/entry/entry_encoder.h"
#include "walden/v1/wal.pb.h"

namespace walden {
namespace {

struct Example {
  TableId table;
  SequenceNumber sequence;
  std::string payload;
};

// Every size of every varint, empty payloads, the default values that proto3 leaves out.
std::vector<Example> Examples() {
  std::vector<Example> examples = {{0, 1, ""}, {0, 127, "a"}, {1, 128, std::string("\0\xFF", 2)}};
  for (int bits = 0; bits < 64; bits += 7) {
    examples.push_back(
        {uint64_t{1} << bits, (uint64_t{1} << bits) + 1, std::string(bits * 31, 'p')});
  }
  examples.push_back({UINT64_MAX, kMaxSequenceNumber, std::string(300'000, 'x')});
  return examples;
}

class RecordEncoderTest : public ::testing::Test {
 protected:
  RecordEncoderTest() { budget_->TryAcquire(64); }

  std::shared_ptr<ReaderBudget> budget_ =
      std::make_shared<ReaderBudget>(uint64_t{1} << 30, absl::Seconds(1), Clock::Real());
  Chunk chunk_{budget_, 64};  // grows on the way
};

TEST_F(RecordEncoderTest, ReadRecordsAreTheBytesThatProtobufWrites) {
  v1::ReadResponse expected;
  for (const Example& example : Examples()) {
    EncodeReadRecord({example.table, example.sequence, example.payload}, chunk_);
    v1::LogRecord* const record = expected.add_records();
    record->set_sequence(example.sequence);
    record->set_payload(example.payload);
  }
  EXPECT_TRUE(expected.SerializeAsString() == std::string(chunk_.data(), chunk_.size()));
}

TEST_F(RecordEncoderTest, RecoveredRecordsAreTheBytesThatProtobufWrites) {
  v1::RecoverResponse expected;
  for (const Example& example : Examples()) {
    EncodeRecoverRecord({example.table, example.sequence, example.payload}, chunk_);
    v1::TableLogRecord* const record = expected.add_records();
    record->set_table_id(example.table);
    record->set_sequence(example.sequence);
    record->set_payload(example.payload);
  }
  EXPECT_TRUE(expected.SerializeAsString() == std::string(chunk_.data(), chunk_.size()));
}

TEST_F(RecordEncoderTest, EntriesAreTheBytesThatProtobufWrites) {
  v1::ScanResponse expected;
  constexpr int64_t kNever = INT64_MIN;
  for (const int64_t millis :
       {kNever, int64_t{0}, int64_t{1}, int64_t{999}, int64_t{-1}, int64_t{-1001},
        int64_t{1'800'000'000'123}, int64_t{253'402'300'799'999}}) {
    entry::EntryView view{.kind = entry::RecordKind::kValue, .key = "key", .value = "value"};
    v1::Entry* const proto = expected.add_entries();
    proto->set_key("key");
    proto->set_value("value");
    proto->set_sequence(5);
    if (millis != kNever) {
      view.created_unix_ms = millis;
      view.expires_unix_ms = millis;
      *proto->mutable_create_time() = ToProtoTime(absl::FromUnixMillis(millis));
      *proto->mutable_expire_time() = proto->create_time();
    }
    EncodeEntry(v1::ScanResponse::kEntriesFieldNumber, 5, view, chunk_);
  }
  EXPECT_TRUE(expected.SerializeAsString() == std::string(chunk_.data(), chunk_.size()));
}

}  // namespace
}  // namespace walden
