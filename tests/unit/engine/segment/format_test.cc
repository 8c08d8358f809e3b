// The bytes on disk, against FORMAT.md as printed and against each other.
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "base/big_endian.h"
#include "base/checksum.h"
#include "engine/segment/format.h"
#include "engine/segment/format_v1.h"
#include "engine/segment/group_head.h"
#include "engine/segment/metadata_codec.h"
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

TEST(FormatTest, TheBatchOverTwoTablesThatThePagePrintsIsWhatTheWriterWritesAndReadsBack) {
  const std::string printed =
      PrintedExample("a1 ") + PrintedExample("81 ") + PrintedExample("01 4931523e ");
  RecordWriter writer;
  writer.Reserve(printed.size());
  writer.AddProducer({kControl | kMoreOfBatch, 7, 1}, /*producer_id=*/9, /*producer_sequence=*/3);
  writer.AddRecord({kMoreOfBatch, 7, 1}, "hi");
  writer.AddRecord({0, 8, 2}, "yo");
  EXPECT_EQ(absl::BytesToHexString(Written(writer)), absl::BytesToHexString(printed));
  std::vector<std::string> read;
  for (size_t at = 0; at < printed.size();) {
    const ParseResult parsed = ParseRecord(absl::string_view(printed).substr(at), printed.size());
    ASSERT_EQ(parsed.outcome, ParseOutcome::kRecord) << parsed.reason;
    const ParsedRecord& record = parsed.record;
    const auto producer = ParseProducerControl(record);
    read.push_back(producer
                       ? absl::StrCat("producer ", producer->id, "/", producer->sequence)
                       : absl::StrCat(record.table, "/", record.sequence, " ", record.payload));
    if (record.more_of_batch()) read.back() += " and";
    at += record.encoded_bytes;
  }
  EXPECT_EQ(absl::StrJoin(read, ", "), "producer 9/3 and, 7/1 hi and, 8/2 yo");
}

TEST(FormatTest, TheEntriesOfABatchOverTwoTablesThatThePagePrintsAreWhatIsWritten) {
  const std::string printed = PrintedExample("02 06 0028 cb") + PrintedExample("02 06 0028 7f");
  const std::string written = EncodeEntries(
      {MetadataEntry::ProducerPart(9, 3, {7, 1, 1}), MetadataEntry::ProducerPart(9, 3, {8, 2, 2})},
      /*append_number=*/2);
  EXPECT_EQ(absl::BytesToHexString(written), absl::BytesToHexString(printed));
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
  const std::string printed = PrintedExample("02 03 ");
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

TEST(FormatTest, TheMetadataHeaderThatThePagePrintsIsWhatIsWrittenAndReadsBack) {
  const std::string printed = PrintedExample("8957414c4d455402 ");
  ASSERT_FALSE(printed.empty());
  const std::string header = EncodeMetadataHeader({1, "default", 5}, 65'536);
  EXPECT_EQ(header.size(), 512u);
  EXPECT_EQ(absl::BytesToHexString(header.substr(0, printed.size())),
            absl::BytesToHexString(printed));
  EXPECT_EQ(header.find_first_not_of('\0', printed.size()), std::string::npos);
  testing::FaultFileSystem disk;
  auto file = disk.CreateFile("/metadata");
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->Allocate(65'536).ok());
  ASSERT_TRUE((*file)->Write(0, {printed}).ok());
  const auto read = ReadMetadataIdentity(**file);
  ASSERT_TRUE(read.ok() && read->has_value()) << read.status();
  EXPECT_EQ(**read, (MetadataIdentity{1, "default", 5}));
}

// A row of the page's table: an entry, and its type, body length and body in hexadecimal.
struct TypedEntry {
  MetadataEntry entry;
  std::string type_and_length;
  std::string body;
};

std::string U64(uint64_t value) { return absl::StrCat(absl::Hex(value, absl::kZeroPad16)); }

std::vector<TypedEntry> EveryTypeOfEntry() {
  return {
      {MetadataEntry::SegmentCreated(9, kPrinted, 3), "010030",
       U64(0) + U64(9) + U64(64 << 20) + U64(512) + "0123456789abcdef" + U64(3)},
      {MetadataEntry::SegmentDeleted(2), "020008", U64(2)},
      {MetadataEntry::TableMark(7, 41), "030010", U64(7) + U64(41)},
      {MetadataEntry::RegionVersion(5), "040008", U64(5)},
      {MetadataEntry::SequenceReserved(99), "050008", U64(99)},
      {MetadataEntry::ProducerPart(5, 3, {7, 40, 41}), "060028",
       U64(5) + U64(7) + U64(3) + U64(40) + U64(41)},
      {{EntryType::kQuarantined, {2, 512, 1024, 3, 4}},
       "070028",
       U64(2) + U64(512) + U64(1024) + U64(3) + U64(4)},
      {MetadataEntry::Closed(2, 900, 5), "080018", U64(2) + U64(900) + U64(5)},
      {MetadataEntry::Opened(), "090000", ""},
      {MetadataEntry::EntryTable(7), "0a0010", U64(7) + U64(1)},
      {MetadataEntry::TableOffset(7, 6), "0b0010", U64(7) + U64(6)},
      {MetadataEntry::SegmentSealed(2, 900, 5), "0c0018", U64(2) + U64(900) + U64(5)},
      {MetadataEntry::Noted({2, 900, 5, 1000}), "0d0020", U64(2) + U64(900) + U64(5) + U64(1000)},
      {MetadataEntry::NumberFloor(8), "0e0008", U64(8)},
      {{EntryType::kUpgraded, {1234}}, "0f0008", U64(1234)},
      {MetadataEntry::ProducerIssued(5, 12), "100010", U64(5) + U64(12)},
      {MetadataEntry::ProducersForgotten(1, 4), "110010", U64(1) + U64(4)},
  };
}

TEST(FormatTest, EveryTypeOfMetadataEntryHasTheNumberAndFieldsOfThePage) {
  for (const TypedEntry& typed : EveryTypeOfEntry()) {
    const std::string written = absl::BytesToHexString(EncodeEntries({typed.entry}, 0x1234));
    EXPECT_EQ(written.substr(0, 8), "02" + typed.type_and_length);
    EXPECT_EQ(written.substr(16), "0000000000001234" + typed.body) << typed.type_and_length;
  }
}

TEST(FormatTest, EveryFlagHasTheBitOfThePageAndComesBack) {
  for (const auto& [flag, version] :
       {std::pair{kMoreOfBatch, '\x81'}, {kControl, '\x21'}, {kJump, '\x11'}}) {
    const std::string bytes = OneRecord({flag, 1, 2}, "x");
    EXPECT_EQ(bytes[0], version);
    EXPECT_EQ(ParseRecord(bytes, bytes.size()).record.flags, flag);
  }
}

// A record of table 1 with number 2, and a checksum that holds.
std::string RecordOf(uint8_t version, uint8_t value_version) {
  std::string bytes = OneRecord({0, 1, 2}, "x");
  bytes[0] = static_cast<char>(version);
  bytes[kHeaderBytes] = static_cast<char>(value_version);
  PutU32(bytes.data() + kCrcOffset, Crc32c(bytes.substr(0, 1) + bytes.substr(kTableOffset)));
  return bytes;
}

TEST(FormatTest, ARecordOfAnotherLayoutOrValueVersionIsNotRead) {
  const auto outcome = [](const std::string& bytes) {
    return ParseRecord(bytes, bytes.size()).outcome;
  };
  EXPECT_EQ(outcome(RecordOf(1, 0)), ParseOutcome::kRecord);
  EXPECT_EQ(outcome(RecordOf(2, 0)), ParseOutcome::kInvalid);
  EXPECT_EQ(outcome(RecordOf(1, 1)), ParseOutcome::kInvalid);
}

TEST(FormatTest, AHeadCoversTheHeadersOfAllItsRecordsInOrder) {
  RecordWriter writer;
  writer.Reserve(kGroupHeadBytes + kHeaderBytes + kControlProducerBytes + 2 * kMinRecordBytes + 4);
  writer.BeginGroup();
  writer.AddProducer({kControl | kMoreOfBatch, 7, 1}, 5, 3);
  writer.AddRecord({kMoreOfBatch, 7, 1}, "one");
  writer.AddRecord({0, 7, 2}, "2");
  writer.FinishGroup(kPrinted, 512, kPrintedHead);
  const std::string group = Written(writer);
  const size_t producer = kGroupHeadBytes;
  const size_t one = producer + kHeaderBytes + kControlProducerBytes;
  const size_t two = one + kMinRecordBytes + 3;
  const auto head = ParseGroupHead(group, kPrinted, 512);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->records, 3u);
  EXPECT_EQ(head->bytes, two + kMinRecordBytes + 1);
  EXPECT_EQ(head->headers_crc,
            Crc32c(group.substr(producer, 25) + group.substr(one, 25) + group.substr(two, 25)));
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
  EXPECT_EQ(absl::BytesToHexString(bytes),
            "a11b04d730000000000000000500000000000000060000001200010000000000001234"
            "0000000000000063");
  const ParseResult parsed = ParseRecord(bytes, bytes.size());
  ASSERT_EQ(parsed.outcome, ParseOutcome::kRecord);
  const auto producer = ParseProducerControl(parsed.record);
  ASSERT_TRUE(producer.has_value());
  EXPECT_EQ(producer->id, 0x1234u);
  EXPECT_EQ(producer->sequence, 99u);
}

}  // namespace
}  // namespace walden::segment
