// Where a version 1 segment ends: FORMAT.md, "Version 1", rule by rule.
#include "engine/segment/segment_scan.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/segment/format_v1.h"
#include "engine/segment/record_writer.h"
#include "gtest/gtest.h"
#include "tests/support/fault_file_system.h"

namespace walden::segment {
namespace {

using v1::kBarrier;

constexpr uint64_t kSize = 64 << 10;

// A segment written by hand. Payloads hold no zero byte, so that only unwritten sectors look so.
class SegmentScanV1Test : public ::testing::Test {
 protected:
  void SetUp() override {
    auto file = disk_.CreateFile("/seg_0");
    ASSERT_TRUE(file.ok());
    file_ = *std::move(file);
    ASSERT_TRUE(file_->Allocate(kSize).ok());
    Put(0, std::string(v1::kSegmentMagic));
  }

  void Put(uint64_t offset, const std::string& bytes) {
    ASSERT_TRUE(file_->Write(offset, {bytes}).ok());
  }

  // Appends one record and returns its position.
  uint64_t Record(uint8_t flags, TableId table, SequenceNumber sequence, size_t bytes = 20) {
    const std::string payload(bytes, static_cast<char>('a' + sequence % 26));
    RecordWriter writer;
    writer.Reserve(kMinRecordBytes + bytes);
    writer.AddRecord({flags, table, sequence}, payload);
    const uint64_t at = end_;
    for (const absl::string_view piece : writer.pieces()) {
      Put(end_, std::string(piece));
      end_ += piece.size();
    }
    return at;
  }

  SegmentScan Scan(std::optional<KnownEnd> known = std::nullopt, SequenceNumber expected = 1) {
    const auto always = [](uint64_t) { return true; };
    auto scan = ScanSegment(*file_, {.header = {.bytes = kSize},
                                     .expected = expected,
                                     .known_end = known,
                                     .known_damage = known_damage_,
                                     .progress = always});
    EXPECT_TRUE(scan.ok()) << scan.status();
    return *std::move(scan);
  }

  testing::FaultFileSystem disk_;
  std::unique_ptr<File> file_;
  uint64_t end_ = kMagicBytes;
  std::vector<Damage> known_damage_;
};

TEST_F(SegmentScanV1Test, AnEmptySegmentEndsCleanly) {
  const SegmentScan scan = Scan();
  EXPECT_EQ(scan.end, kMagicBytes);
  EXPECT_EQ(scan.next, 1u);
  EXPECT_FALSE(scan.torn);
  EXPECT_TRUE(scan.damage.empty());
}

TEST_F(SegmentScanV1Test, RecordsThenZerosEndCleanly) {
  Record(kBarrier, 1, 1);
  Record(0, 2, 2);
  const SegmentScan scan = Scan();
  EXPECT_EQ(scan.end, end_);
  EXPECT_EQ(scan.records, 2u);
  EXPECT_EQ(scan.next, 3u);
  EXPECT_FALSE(scan.torn);
}

TEST_F(SegmentScanV1Test, AnOpenBatchAtTheEndIsATornTailFromItsBeginning) {
  Record(kBarrier, 1, 1);
  const uint64_t batch = Record(kMoreOfBatch, 1, 2);
  Record(kMoreOfBatch, 1, 3);
  const SegmentScan scan = Scan();
  ASSERT_TRUE(scan.torn);
  EXPECT_EQ(scan.torn->begin, batch);
  EXPECT_EQ(scan.end, batch);
  EXPECT_EQ(scan.next, 2u);
  EXPECT_EQ(scan.records, 1u);
}

TEST_F(SegmentScanV1Test, ARecordWithAnUnwrittenSectorIsATornTail) {
  Record(kBarrier, 1, 1);
  const uint64_t torn = Record(0, 1, 2, 3000);
  Put(1024, std::string(512, '\0'));
  const SegmentScan scan = Scan();
  ASSERT_TRUE(scan.torn);
  EXPECT_EQ(scan.torn->begin, torn);
  EXPECT_EQ(scan.torn->end, end_);
}

TEST_F(SegmentScanV1Test, AFirstSectorThatIsMissingDoesNotHideWhatFollows) {
  const uint64_t torn = Record(kBarrier, 1, 1, 3000);
  Put(kMagicBytes, std::string(512 - kMagicBytes, '\0'));
  const SegmentScan scan = Scan();
  ASSERT_TRUE(scan.torn);
  EXPECT_EQ(scan.torn->begin, torn);
  EXPECT_EQ(scan.torn->end, end_);
}

TEST_F(SegmentScanV1Test, DamageBeforeABarrierIsDamage) {
  const uint64_t bad = Record(kBarrier, 1, 1, 3000);
  Put(1024, std::string(512, '\0'));  // looks like an unwritten sector, and yet
  const uint64_t next = Record(kBarrier, 1, 2);
  const SegmentScan scan = Scan();
  EXPECT_FALSE(scan.torn);
  ASSERT_EQ(scan.damage.size(), 1u);
  EXPECT_EQ(scan.damage[0].begin, bad);
  EXPECT_EQ(scan.damage[0].end, next);
  EXPECT_EQ(scan.damage[0].first, 1u);
  EXPECT_EQ(scan.damage[0].last, 1u);
  EXPECT_EQ(scan.next, 3u);
}

TEST_F(SegmentScanV1Test, AFlippedBitInTheLastGroupIsDamage) {
  Record(kBarrier, 1, 1);
  const uint64_t bad = Record(kBarrier, 1, 2, 3000);
  disk_.FlipBit("/seg_0", bad + 1000, 3);
  const SegmentScan scan = Scan();
  EXPECT_FALSE(scan.torn);
  ASSERT_EQ(scan.damage.size(), 1u);
  EXPECT_EQ(scan.damage[0].begin, bad);
  EXPECT_EQ(scan.damage[0].first, 2u);
  EXPECT_GE(scan.damage[0].last, 2u);
  EXPECT_GT(scan.next, scan.damage[0].last);
}

TEST_F(SegmentScanV1Test, AFlippedVersionByteIsNoCleanEnd) {
  const uint64_t bad = Record(0, 0x0101010101010101, 1);
  disk_.SetByte("/seg_0", bad, '\0');
  const SegmentScan scan = Scan();
  EXPECT_TRUE(!scan.damage.empty() || scan.torn);
}

TEST_F(SegmentScanV1Test, BeforeAKnownEndEverythingElseIsDamage) {
  Record(kBarrier, 1, 1);
  const uint64_t bad = Record(kBarrier, 1, 2, 3000);
  Put(bad, std::string(3026, '\0'));
  const SegmentScan clean_looking = Scan();
  EXPECT_TRUE(clean_looking.damage.empty()) << "nothing says that there was more";
  const SegmentScan sealed = Scan(KnownEnd{std::nullopt, 3});
  ASSERT_EQ(sealed.damage.size(), 1u);
  EXPECT_EQ(sealed.damage[0].first, 2u);
  EXPECT_EQ(sealed.damage[0].last, 2u);
  const SegmentScan closed = Scan(KnownEnd{end_, 3});
  ASSERT_EQ(closed.damage.size(), 1u);
  EXPECT_EQ(closed.damage[0].end, end_);
  EXPECT_EQ(closed.next, 3u);
}

TEST_F(SegmentScanV1Test, MissingNumbersAreDamageUnlessARecordJumps) {
  Record(kBarrier, 1, 1);
  Record(kBarrier | kJump, 1, 10);
  EXPECT_TRUE(Scan().damage.empty());
  EXPECT_EQ(Scan().next, 11u);
  Record(kBarrier, 1, 13);
  EXPECT_FALSE(Scan().damage.empty());
}

TEST_F(SegmentScanV1Test, ALeftoverWithALowerNumberIsNoRecord) {
  Record(kBarrier, 1, 50);
  Record(0, 1, 7);
  const SegmentScan scan = Scan(std::nullopt, 50);
  EXPECT_EQ(scan.records, 1u);
  EXPECT_EQ(scan.next, 51u);
}

TEST_F(SegmentScanV1Test, KnownDamageIsPassedOver) {
  Record(kBarrier, 1, 1);
  const uint64_t bad = Record(kBarrier, 1, 2);
  const uint64_t after = end_;
  Record(kBarrier | kJump, 1, 5);
  disk_.FlipBit("/seg_0", bad + 30, 1);
  known_damage_ = {{bad, after, 2, 4, "before"}};
  const SegmentScan scan = Scan();
  EXPECT_TRUE(scan.damage.empty());
  EXPECT_EQ(scan.records, 2u);
  EXPECT_EQ(scan.next, 6u);
}

TEST_F(SegmentScanV1Test, AnIoErrorIsNeverAnEnd) {
  Record(kBarrier, 1, 1);
  disk_.MakeUnreadable("/seg_0", 0, kSize);
  const auto always = [](uint64_t) { return true; };
  const auto scan = ScanSegment(*file_, {.header = {.bytes = kSize}, .progress = always});
  EXPECT_TRUE(absl::IsUnavailable(scan.status())) << scan.status();
}

TEST_F(SegmentScanV1Test, ARecordLargerThanTheReadersWindowIsRead) {
  // The window is 256 KiB; this needs a larger segment.
  auto file = disk_.CreateFile("/seg_1");
  ASSERT_TRUE(file.ok());
  file_ = *std::move(file);
  ASSERT_TRUE(file_->Allocate(1 << 20).ok());
  Put(0, std::string(v1::kSegmentMagic));
  Record(kBarrier, 1, 1, 700'000);
  Record(kBarrier, 1, 2, 10);
  const auto always = [](uint64_t) { return true; };
  const auto scan = ScanSegment(*file_, {.header = {.bytes = 1 << 20}, .progress = always});
  ASSERT_TRUE(scan.ok());
  EXPECT_EQ(scan->records, 2u);
  EXPECT_EQ(scan->end, end_);
}

}  // namespace
}  // namespace walden::segment
