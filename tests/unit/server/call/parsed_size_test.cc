#include "server/call/parsed_size.h"

#include <string>

#include "gtest/gtest.h"
#include "walden/v1/entry.pb.h"
#include "walden/v1/wal.pb.h"

namespace walden {
namespace {

grpc::ByteBuffer BufferOf(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

template <typename Message>
uint64_t SizeOf(const std::string& bytes, uint64_t limit = UINT64_MAX) {
  return ParsedSize(BufferOf(bytes), *Message::descriptor(), limit);
}

// Expects that a message of these bytes takes no more memory than it is counted for. What protobuf
// says of itself leaves out what the allocator adds to each object: 8 bytes and the rounding to 16.
template <typename Message>
void ExpectCounted(const std::string& bytes, size_t allocations) {
  Message message;
  ASSERT_TRUE(message.ParseFromString(bytes));
  const uint64_t counted = SizeOf<Message>(bytes);
  EXPECT_GE(counted + sizeof(Message), message.SpaceUsedLong() + 16 * allocations);
}

std::string Repeated(const std::string& bytes, int times) {
  std::string repeated;
  for (int i = 0; i < times; ++i) repeated += bytes;
  return repeated;
}

TEST(ParsedSizeTest, TheSmallestFieldsAreCountedForWhatTheyTake) {
  constexpr int kTimes = 10'000;
  ExpectCounted<v1::AppendStreamRequest>(Repeated(std::string("\x0a\x00", 2), kTimes), kTimes);
  // An append that has an empty request, and a table that has empty payloads.
  ExpectCounted<v1::AppendStreamRequest>(Repeated(std::string("\x0a\x02\x12\x00", 4), kTimes),
                                         2 * kTimes);
  ExpectCounted<v1::AppendRequest>(Repeated(std::string("\x1a\x00", 2), kTimes), kTimes);
  ExpectCounted<v1::TableAppend>(Repeated(std::string("\x12\x00", 2), kTimes), kTimes);
  ExpectCounted<v1::MarkDeletedRequest>(Repeated(std::string("\x1a\x00", 2), kTimes), kTimes);
  // Fields that nobody knows: a number, and bytes.
  ExpectCounted<v1::AppendRequest>(Repeated(std::string("\x78\x01", 2), kTimes), 1);
  ExpectCounted<v1::AppendRequest>(Repeated(std::string("\x7a\x00", 2), kTimes), kTimes);
  ExpectCounted<v1::AppendRequest>(Repeated(std::string("\x7b\x7c", 2), kTimes), 2 * kTimes);
}

TEST(ParsedSizeTest, RequestsAreCountedForWhatTheyTake) {
  for (const size_t payload : {0, 1, 15, 16, 17, 100, 5000}) {
    SCOPED_TRACE(payload);
    v1::AppendStreamRequest message;
    for (int i = 0; i < 500; ++i) {
      v1::StreamedAppend* const streamed = message.add_appends();
      streamed->mutable_append()->mutable_producer()->set_producer_id(1);
      v1::TableAppend* const table = streamed->mutable_append()->add_tables();
      for (int k = 0; k <= i % 4; ++k) table->add_payloads(std::string(payload, 'x'));
    }
    ExpectCounted<v1::AppendStreamRequest>(message.SerializeAsString(), 500 * 12);
    v1::PutRequest put;
    for (int i = 0; i < 500; ++i) {
      v1::Entry* const entry = put.add_entries();
      entry->set_key(std::string(payload, 'k'));
      entry->set_value(std::string(payload, 'v'));
      entry->mutable_create_time()->set_seconds(1);
      entry->mutable_expire_time()->set_seconds(2);
    }
    ExpectCounted<v1::PutRequest>(put.SerializeAsString(), 500 * 7);
  }
}

TEST(ParsedSizeTest, ScalarsOfAMessageTakeNothingOfTheirOwn) {
  v1::ReadRequest request;
  request.set_region_id(5);
  request.set_table_id(1);
  request.set_follow(true);
  EXPECT_EQ(SizeOf<v1::ReadRequest>(request.SerializeAsString()), 0u);
}

TEST(ParsedSizeTest, CountingStopsPastTheLimitAndAtWhatIsNotValid) {
  const std::string many = Repeated(std::string("\x0a\x00", 2), 1'000'000);
  EXPECT_LE(SizeOf<v1::AppendStreamRequest>(many, 5000), 5000 + kParsedMessageBytes);
  EXPECT_GT(SizeOf<v1::AppendStreamRequest>(many, 5000), 5000u);
  // A length that is longer than the message, a tag that is cut, and field number 0.
  for (const char* const cut : {"\x0a\x7f\x0a", "\x0a\x00\x8a", "\x0a\x00\x02\x00"}) {
    EXPECT_LE(SizeOf<v1::AppendStreamRequest>(cut), 2 * kParsedMessageBytes);
  }
}

TEST(ParsedSizeTest, AMessageInSeveralSlicesIsCountedAsOne) {
  v1::AppendRequest request;
  for (int i = 0; i < 100; ++i) request.add_tables()->add_payloads(std::string(i, 'x'));
  const std::string bytes = request.SerializeAsString();
  std::vector<grpc::Slice> slices;
  for (size_t at = 0; at < bytes.size(); at += 7) slices.emplace_back(bytes.substr(at, 7));
  const grpc::ByteBuffer buffer(slices.data(), slices.size());
  EXPECT_EQ(ParsedSize(buffer, *v1::AppendRequest::descriptor(), UINT64_MAX),
            SizeOf<v1::AppendRequest>(bytes));
}

}  // namespace
}  // namespace walden
