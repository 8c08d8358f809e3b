#include "server/read/record_encoder.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
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
    v1::Record* const record = expected.add_records();
    record->set_sequence(example.sequence);
    record->set_payload(example.payload);
  }
  EXPECT_TRUE(expected.SerializeAsString() == std::string(chunk_.data(), chunk_.size()));
}

TEST_F(RecordEncoderTest, RecoveredRecordsAreTheBytesThatProtobufWrites) {
  v1::RecoverResponse expected;
  BeginRecoverChunk(chunk_);
  for (const Example& example : Examples()) {
    EncodeRecoverRecord({example.table, example.sequence, example.payload}, chunk_);
    v1::TableRecord* const record = expected.mutable_records()->add_records();
    record->set_table_id(example.table);
    record->set_sequence(example.sequence);
    record->set_payload(example.payload);
  }
  const size_t begin = FinishRecoverChunk(chunk_);
  EXPECT_TRUE(expected.SerializeAsString() ==
              std::string(chunk_.data() + begin, chunk_.size() - begin));
}

TEST_F(RecordEncoderTest, OneSmallRecoveredRecordParses) {
  BeginRecoverChunk(chunk_);
  EncodeRecoverRecord({7, 9, "payload"}, chunk_);
  const size_t begin = FinishRecoverChunk(chunk_);
  v1::RecoverResponse parsed;
  ASSERT_TRUE(
      parsed.ParseFromArray(chunk_.data() + begin, static_cast<int>(chunk_.size() - begin)));
  ASSERT_EQ(parsed.records().records_size(), 1);
  EXPECT_EQ(parsed.records().records(0).table_id(), 7u);
  EXPECT_EQ(parsed.records().records(0).sequence(), 9u);
  EXPECT_EQ(parsed.records().records(0).payload(), "payload");
}

}  // namespace
}  // namespace walden
