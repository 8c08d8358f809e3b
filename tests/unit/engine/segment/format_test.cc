// The bytes on disk, against FORMAT.md as printed and against each other.
#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/checksum.h"
#include "engine/segment/format.h"
#include "engine/segment/format_v1.h"
#include "engine/segment/group_head.h"
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

// The page's example: the first group of a segment.
const SegmentHeader kPrinted{.alignment = 512,
                             .salt = 0x0123456789abcdef,
                             .namespace_id = 1,
                             .region = 5,
                             .segment = 0,
                             .bytes = uint64_t{64} << 20};
const GroupHead kPrintedHead{.sequence = 1,
                             .previous_end = kSegmentHeaderBytes,
                             .durable = {0, kSegmentHeaderBytes},
                             .metadata_append = 3,
                             .unix_micros = 1'700'000'000'000'000};

std::string OneGroup() {
  RecordWriter writer;
  writer.Reserve(kGroupHeadBytes + kMinRecordBytes + 2);
  writer.BeginGroup();
  writer.AddRecord({0, 7, 1}, "hi");
  writer.FinishGroup(kPrinted, 512, kPrintedHead);
  EXPECT_EQ(writer.size(), kGroupHeadBytes + kMinRecordBytes + 2);
  return Written(writer);
}

TEST(FormatTest, TheGroupThatThePagePrintsIsWhatTheWriterWrites) {
  const std::string header = PrintedExample("8957414c53454702 ");
  const std::string head = PrintedExample("21 ");
  const std::string record = PrintedExample("01 ");
  EXPECT_EQ(absl::BytesToHexString(EncodeSegmentHeader(kPrinted)), absl::BytesToHexString(header));
  const std::string group = OneGroup();
  EXPECT_EQ(group.size(), 512u) << "padded";
  EXPECT_EQ(absl::BytesToHexString(group.substr(0, kGroupHeadBytes + kMinRecordBytes + 2)),
            absl::BytesToHexString(head + record));
  EXPECT_EQ(group.find_first_not_of('\0', kGroupHeadBytes + kMinRecordBytes + 2),
            std::string::npos);
}

TEST(FormatTest, TheGroupThatThePagePrintsReadsBack) {
  EXPECT_EQ(ParseSegmentHeader(PrintedExample("8957414c53454702 ")), kPrinted);
  const auto head = ParseGroupHead(PrintedExample("21 "), kPrinted, 512);
  ASSERT_TRUE(head.has_value());
  EXPECT_EQ(head->sequence, 1u);
  EXPECT_EQ(head->bytes, kGroupHeadBytes + kMinRecordBytes + 2);
  EXPECT_EQ(head->records, 1u);
  EXPECT_EQ(head->previous_end, kSegmentHeaderBytes);
  EXPECT_EQ(head->durable, (DurableThrough{0, kSegmentHeaderBytes}));
  EXPECT_EQ(head->metadata_append, 3u);
  EXPECT_EQ(head->unix_micros, 1'700'000'000'000'000);
  const std::string printed = PrintedExample("01 ");
  const ParseResult parsed = ParseRecord(printed, printed.size());
  ASSERT_EQ(parsed.outcome, ParseOutcome::kRecord) << parsed.reason;
  EXPECT_EQ(parsed.record.table, 7u);
  EXPECT_EQ(parsed.record.sequence, 1u);
  EXPECT_EQ(parsed.record.payload, "hi");
  EXPECT_FALSE(parsed.record.more_of_batch());
  EXPECT_FALSE(parsed.record.control());
  EXPECT_FALSE(parsed.record.jump());
  EXPECT_EQ(parsed.record.encoded_bytes, printed.size());
}

TEST(FormatTest, AGroupHeadIsOneAtItsOwnPlaceOnly) {
  const std::string group = OneGroup();
  EXPECT_TRUE(ParseGroupHead(group, kPrinted, 512));
  EXPECT_FALSE(ParseGroupHead(group, kPrinted, 1024));
  for (const int field : {0, 1, 2, 3}) {
    SegmentHeader other = kPrinted;
    if (field == 0) other.salt ^= 1;
    if (field == 1) other.region = 6;
    if (field == 2) other.segment = 1;
    if (field == 3) other.namespace_id = 2;
    EXPECT_FALSE(ParseGroupHead(group, other, 512)) << field;
  }
}

TEST(FormatTest, EveryFlippedBitOfAHeadOrHeaderIsNoticed) {
  const std::string group = OneGroup();
  for (size_t bit = 0; bit < 8 * kGroupHeadBytes; ++bit) {
    std::string flipped = group;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(ParseGroupHead(flipped, kPrinted, 512)) << "bit " << bit;
  }
  const std::string header = EncodeSegmentHeader(kPrinted);
  for (size_t bit = 0; bit < 8 * header.size(); ++bit) {
    std::string flipped = header;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(ParseSegmentHeader(flipped)) << "bit " << bit;
  }
}

TEST(FormatTest, ASegmentHasRoomForEightUnits) {
  EXPECT_EQ(AlignmentFor(512, 64 << 20), 512u);
  EXPECT_EQ(AlignmentFor(4096, 64 << 20), 4096u);
  EXPECT_EQ(AlignmentFor(65536, 64 << 20), 4096u);
  EXPECT_EQ(AlignmentFor(1, 64 << 20), 512u);
  EXPECT_EQ(AlignmentFor(4096, 16 << 10), 2048u);
  EXPECT_EQ(AlignmentFor(4096, 4096), 512u);
}

TEST(FormatTest, TheMagicNumbersAreThoseOfThePage) {
  EXPECT_EQ(absl::BytesToHexString(kSegmentMagic), "8957414c53454702");
  EXPECT_EQ(absl::BytesToHexString(kMetadataMagic), "8957414c4d455402");
  EXPECT_EQ(absl::BytesToHexString(v1::kSegmentMagic), "8957414c53454701");
  EXPECT_EQ(absl::BytesToHexString(v1::kMetadataMagic), "8957414c4d455401");
}

TEST(FormatTest, TheMetadataEntryThatThePagePrintsIsWhatIsWritten) {
  const std::string printed = PrintedExample("02 ");
  ASSERT_FALSE(printed.empty());
  testing::FaultFileSystem disk;
  ASSERT_TRUE(disk.CreateDirectory("/region").ok());
  auto metadata = MetadataFile::Create(&disk, "/region", {1, "default", 5},
                                       {MetadataEntry::SegmentCreated(1, kPrinted)});
  ASSERT_TRUE(metadata.ok()) << metadata.status();
  ASSERT_TRUE((*metadata)->Append({MetadataEntry::TableMark(7, 41)}).ok());
  const std::string bytes = disk.ReadWhole("/region/metadata");
  const size_t begin = kMetadataHeaderBytes + kEntryHeaderBytes + 6 * 8;
  EXPECT_EQ(absl::BytesToHexString(bytes.substr(begin, printed.size())),
            absl::BytesToHexString(printed));
}

TEST(FormatTest, EveryFlagComesBack) {
  for (const uint8_t flag : {kMoreOfBatch, kControl, kJump}) {
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
