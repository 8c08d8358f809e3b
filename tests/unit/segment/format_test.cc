// The bytes on disk, against FORMAT.md as printed and against each other.
#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "engine/checksum.h"
#include "engine/segment/format.h"
#include "engine/segment/metadata_file.h"
#include "engine/segment/metadata_format.h"
#include "engine/segment/record_parser.h"
#include "engine/segment/record_writer.h"
#include "gtest/gtest.h"
#include "tests/support/fault_file_system.h"

namespace walden::segment {
namespace {

// The printed example that begins with `start`, without its spaces.
std::string PrintedExample(const std::string& start) {
  std::ifstream page(std::string(WALDEN_SOURCE_DIR) + "/engine/segment/FORMAT.md");
  for (std::string line; std::getline(page, line);) {
    if (line.rfind(start, 0) == 0)
      return absl::HexStringToBytes(absl::StrReplaceAll(line, {{" ", ""}}));
  }
  return "";
}

std::string Written(RecordWriter& writer) {
  std::string bytes;
  for (const absl::string_view piece : writer.pieces()) absl::StrAppend(&bytes, piece);
  return bytes;
}

std::string OneRecord(const RecordHeader& header, absl::string_view payload) {
  RecordWriter writer;
  writer.Reserve(kMinRecordBytes + payload.size());
  writer.AddRecord(header, payload);
  return Written(writer);
}

TEST(FormatTest, TheChecksumIsCrc32c) {
  // RFC 3720 B.4: 32 bytes of zeros.
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);
}

TEST(FormatTest, TheRecordThatThePagePrintsIsWhatTheWriterWrites) {
  const std::string printed = PrintedExample("41 ");
  ASSERT_FALSE(printed.empty());
  EXPECT_EQ(absl::BytesToHexString(OneRecord({kBarrier, 7, 1}, "hi")),
            absl::BytesToHexString(printed));
}

TEST(FormatTest, TheRecordThatThePagePrintsReadsBack) {
  const std::string printed = PrintedExample("41 ");
  const ParseResult parsed = ParseRecord(printed, printed.size());
  ASSERT_EQ(parsed.outcome, ParseOutcome::kRecord) << parsed.reason;
  EXPECT_EQ(parsed.record.table, 7u);
  EXPECT_EQ(parsed.record.sequence, 1u);
  EXPECT_EQ(parsed.record.payload, "hi");
  EXPECT_TRUE(parsed.record.barrier());
  EXPECT_FALSE(parsed.record.more_of_batch());
  EXPECT_FALSE(parsed.record.control());
  EXPECT_FALSE(parsed.record.jump());
  EXPECT_EQ(parsed.record.encoded_bytes, printed.size());
}

TEST(FormatTest, TheMagicNumbersAreThoseOfThePage) {
  EXPECT_EQ(absl::BytesToHexString(kSegmentMagic), "8957414c53454701");
  EXPECT_EQ(absl::BytesToHexString(kMetadataMagic), "8957414c4d455401");
}

TEST(FormatTest, TheMetadataEntryThatThePagePrintsIsWhatIsWritten) {
  const std::string printed = PrintedExample("01 ");
  ASSERT_FALSE(printed.empty());
  testing::FaultFileSystem disk;
  ASSERT_TRUE(disk.CreateDirectory("/region").ok());
  auto metadata =
      MetadataFile::Create(&disk, "/region", {MetadataEntry::SegmentCreated(0, 1, 4096)});
  ASSERT_TRUE(metadata.ok()) << metadata.status();
  ASSERT_TRUE((*metadata)->Append({MetadataEntry::TableMark(7, 41)}).ok());
  const std::string bytes = disk.ReadWhole("/region/metadata");
  const size_t begin = kMagicBytes + kEntryHeaderBytes + 3 * 8;
  EXPECT_EQ(absl::BytesToHexString(bytes.substr(begin, printed.size())),
            absl::BytesToHexString(printed));
}

TEST(FormatTest, EveryFlagComesBack) {
  for (const uint8_t flag : {kMoreOfBatch, kBarrier, kControl, kJump}) {
    const std::string bytes = OneRecord({flag, 1, 2}, "x");
    EXPECT_EQ(ParseRecord(bytes, bytes.size()).record.flags, flag);
  }
}

TEST(FormatTest, AnEmptyPayloadIsARecordOf26Bytes) {
  const std::string bytes = OneRecord({0, 1, 1}, "");
  EXPECT_EQ(bytes.size(), 26u);
  const ParseResult parsed = ParseRecord(bytes, bytes.size());
  ASSERT_EQ(parsed.outcome, ParseOutcome::kRecord);
  EXPECT_EQ(parsed.record.payload, "");
}

TEST(FormatTest, LargePayloadsAreWrittenFromWhereTheyLie) {
  const std::string payload(100'000, 'p');
  RecordWriter writer;
  writer.Reserve(2 * (kMinRecordBytes + payload.size()));
  writer.AddRecord({0, 1, 1}, payload);
  writer.AddRecord({0, 1, 2}, "small");
  const std::string bytes = Written(writer);
  EXPECT_EQ(bytes.size(), writer.size());
  const ParseResult first = ParseRecord(bytes, bytes.size());
  ASSERT_EQ(first.outcome, ParseOutcome::kRecord) << first.reason;
  EXPECT_EQ(first.record.payload, payload);
  const absl::string_view rest = absl::string_view(bytes).substr(first.record.encoded_bytes);
  EXPECT_EQ(ParseRecord(rest, rest.size()).record.payload, "small");
}

TEST(FormatTest, EveryFlippedBitIsNoticed) {
  const std::string bytes = OneRecord({kMoreOfBatch, 3, 9}, "payload");
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_NE(ParseRecord(flipped, flipped.size()).outcome, ParseOutcome::kRecord) << "bit " << bit;
  }
}

TEST(FormatTest, ZerosAreNeverWritten) {
  const std::string zeros(100, '\0');
  EXPECT_EQ(ParseRecord(zeros, zeros.size()).outcome, ParseOutcome::kNeverWritten);
  EXPECT_EQ(ParseRecord("", 0).outcome, ParseOutcome::kNeverWritten);
}

TEST(FormatTest, ARecordCutAnywhereAsksForMoreOrIsInvalid) {
  const std::string bytes = OneRecord({0, 3, 9}, "payload");
  for (size_t size = 1; size < bytes.size(); ++size) {
    const absl::string_view cut = absl::string_view(bytes).substr(0, size);
    EXPECT_EQ(ParseRecord(cut, bytes.size()).outcome, ParseOutcome::kNeedMore) << size;
    EXPECT_EQ(ParseRecord(cut, size).outcome == ParseOutcome::kRecord, false) << size;
  }
}

TEST(FormatTest, AProducerIsAControlRecord) {
  RecordWriter writer;
  writer.Reserve(kHeaderBytes + kControlProducerBytes);
  writer.AddProducer({kControl | kMoreOfBatch, 5, 6}, 0x1234, 99);
  const std::string bytes = Written(writer);
  EXPECT_EQ(bytes.size(), kHeaderBytes + kControlProducerBytes);
  const ParseResult parsed = ParseRecord(bytes, bytes.size());
  ASSERT_EQ(parsed.outcome, ParseOutcome::kRecord);
  const auto producer = ParseProducerControl(parsed.record);
  ASSERT_TRUE(producer.has_value());
  EXPECT_EQ(producer->id, 0x1234u);
  EXPECT_EQ(producer->sequence, 99u);
}

}  // namespace
}  // namespace walden::segment
