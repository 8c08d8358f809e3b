// Where a log ends: FORMAT.md, "The end of the log", rule by rule, on segments written by hand.
#include <algorithm>
#include <string>
#include <vector>

#include "tests/unit/engine/segment/segment_scan_fixture.h"

namespace walden::segment {
namespace {

// Counts what is read of another file.
class CountingFile final : public File {
 public:
  explicit CountingFile(const File& file) : file_(file) {}
  const std::string& path() const override { return file_.path(); }
  absl::StatusOr<uint64_t> Size() const override { return file_.Size(); }
  absl::StatusOr<size_t> Read(uint64_t offset, absl::Span<char> out) const override {
    const auto got = file_.Read(offset, out);
    bytes += got.value_or(0);
    return got;
  }
  absl::Status Allocate(uint64_t) override { return absl::UnimplementedError(""); }
  absl::Status Write(uint64_t, absl::Span<const absl::string_view>) override {
    return absl::UnimplementedError("");
  }
  absl::Status SyncData() override { return absl::UnimplementedError(""); }
  absl::StatusOr<std::unique_ptr<Mapping>> Map() override { return absl::UnimplementedError(""); }
  absl::Status CheckInPlace(const std::string&, uint64_t) const override {
    return absl::UnimplementedError("");
  }
  absl::Status Close() override { return absl::OkStatus(); }

  mutable uint64_t bytes = 0;

 private:
  const File& file_;
};

TEST_F(SegmentScanTest, AnEmptySegmentEndsCleanly) {
  const SegmentScan scan = Scan();
  EXPECT_EQ(scan.end, kSegmentHeaderBytes);
  EXPECT_EQ(scan.next, 1u);
  EXPECT_FALSE(scan.torn);
  EXPECT_TRUE(scan.damage.empty());
}

TEST_F(SegmentScanTest, GroupsThenZerosEndCleanly) {
  Append(1);
  Append(3, 700);
  const SegmentScan scan = Scan();
  EXPECT_EQ(scan.end, end_);
  EXPECT_EQ(scan.records, 4u);
  EXPECT_EQ(scan.next, 5u);
  EXPECT_EQ(scan.metadata_append, 3u);
  EXPECT_EQ(scan.written_unix_micros, 1000);
  EXPECT_FALSE(scan.torn);
  EXPECT_TRUE(scan.damage.empty());
}

TEST_F(SegmentScanTest, ABatchMayHaveRecordsOfSeveralTables) {
  const uint64_t begin = header_.GroupBegin(end_);
  Put(begin, Group(begin, 1, {{5, "a", kMoreOfBatch}, {6, "b", kMoreOfBatch}, {5, "c"}}, header_));
  const SegmentScan scan = Scan();
  EXPECT_EQ(scan.records, 3u);
  EXPECT_EQ(scan.table_last.at(5), 3u);
  EXPECT_EQ(scan.table_last.at(6), 2u);
}

TEST_F(SegmentScanTest, AnUnwrittenSectorOfTheLastGroupIsATornTail) {
  Append(1);
  const uint64_t torn = Append(2, 3000);
  for (const uint64_t sector : {torn, torn + 512, torn + 5 * 512}) {
    const std::string before = disk_.ReadWhole(path_).substr(sector, 512);
    Zero(sector, 512);
    const SegmentScan scan = Scan();
    ExpectTorn(scan, torn);
    EXPECT_EQ(scan.torn->end, end_);
    EXPECT_EQ(scan.next, 2u);
    Put(sector, before);
  }
}

TEST_F(SegmentScanTest, ATornTailTakesLaterGroupsThatWereNotSyncedWithIt) {
  Append(1);
  const uint64_t torn = Append(1, 2000);
  Append(4);
  Append(4);
  Zero(torn + 512, 512);
  const SegmentScan scan = Scan();
  ExpectTorn(scan, torn);
  EXPECT_EQ(scan.torn->end, end_);
  EXPECT_EQ(scan.records, 1u);
}

TEST_F(SegmentScanTest, ALaterGroupThatSaysItWasDurableMakesItDamage) {
  Append(1);
  const uint64_t bad = Append(2, 2000);
  Sync();
  Append(4);
  Zero(bad, 512);
  const SegmentScan scan = Scan();
  ExpectDamage(scan, bad, durable_, 2, 3);
  EXPECT_EQ(scan.next, next_);
}

TEST_F(SegmentScanTest, EvenALaterGroupThatIsTornItself) {
  const uint64_t bad = Append(2, 2000);
  Sync();
  const uint64_t durable = end_;
  const uint64_t torn = Append(4, 1000);
  Zero(bad, 4 * 512);
  Zero(torn + 512, 512);
  const SegmentScan scan = Scan();
  ASSERT_EQ(scan.damage.size(), 1u);
  EXPECT_EQ(header_.GroupBegin(scan.damage[0].begin), bad);
  EXPECT_EQ(scan.damage[0].end, durable);
  EXPECT_EQ(scan.damage[0].last, 2u);
  ASSERT_TRUE(scan.torn);
  EXPECT_EQ(scan.torn->begin, torn);
}

TEST_F(SegmentScanTest, AGroupThatWasWrittenDuringTheSyncOfADamagedOneIsWhole) {
  const uint64_t bad = Append(2, 2000);
  const uint64_t durable = end_;
  Append(3, 200);
  durable_ = durable;
  Append(4);
  Zero(bad, 512);
  const SegmentScan scan = Scan();
  ExpectDamage(scan, bad, durable, 1, 2);
  EXPECT_EQ(scan.records, 7u);
  EXPECT_EQ(scan.next, next_);
}

TEST_F(SegmentScanTest, AHoleOfAnyLengthBelowTheWatermarkIsDamage) {
  Append(1);
  const uint64_t bad = Append(1);
  while (end_ < kSize - 2000) Append(3);
  watermark_ = end_;
  watermark_next_ = next_;
  Zero(bad, end_ - bad);
  ExpectDamage(Scan(), bad, end_, 2, next_ - 1);
}

TEST_F(SegmentScanTest, AHoleBehindWhichAGroupWasWrittenIsDamage) {
  Append(1);
  const uint64_t bad = Append(1);
  for (int i = 0; i < 20; ++i) Append(3);
  Sync();
  const uint64_t last = Append(1);
  Zero(bad, last - bad);
  ExpectDamage(Scan(), bad, durable_, 2, next_ - 2);
}

TEST_F(SegmentScanTest, AFlippedBitInTheLastGroupIsDamage) {
  Append(1);
  const uint64_t bad = Append(1, 3000);
  for (const uint64_t offset : {bad + 3, bad + 30, bad + kGroupHeadBytes + 2, bad + 2000}) {
    SCOPED_TRACE(offset);
    disk_.FlipBit(path_, offset, 3);
    const SegmentScan scan = Scan();
    EXPECT_FALSE(scan.torn);
    ASSERT_EQ(scan.damage.size(), 1u);
    EXPECT_EQ(header_.GroupBegin(scan.damage[0].begin), bad);
    EXPECT_EQ(scan.damage[0].first, 2u);
    EXPECT_GE(scan.damage[0].last, 2u);
    EXPECT_GT(scan.next, scan.damage[0].last);
    disk_.FlipBit(path_, offset, 3);
  }
}

TEST_F(SegmentScanTest, BeforeAKnownEndEverythingElseIsDamage) {
  Append(1);
  const uint64_t bad = Append(2, 3000);
  const KnownEnd known{end_, next_};
  EXPECT_TRUE(Scan(known).damage.empty());
  Zero(bad, end_ - bad);
  ExpectDamage(Scan(known), bad, end_, 2, 3);
  EXPECT_EQ(Scan(known).next, next_);
}

TEST_F(SegmentScanTest, NumbersThatComeBackAreNoGroup) {
  Append(5);
  next_ = 2;
  const uint64_t bad = Append(1);
  const SegmentScan scan = Scan();
  ASSERT_EQ(scan.damage.size(), 1u);
  EXPECT_EQ(header_.GroupBegin(scan.damage[0].begin), bad);
}

TEST_F(SegmentScanTest, AnIoErrorIsNeverAnEnd) {
  Append(1);
  disk_.MakeUnreadable(path_, 0, kSize);
  const auto scan = ScanSegment(*file_, Options());
  EXPECT_TRUE(absl::IsUnavailable(scan.status())) << scan.status();
}

TEST_F(SegmentScanTest, AFileThatIsShorterThanItWasMadeIsDamage) {
  Append(1);
  Append(1);
  const uint64_t size = header_.GroupBegin(end_) - 512;
  disk_.ShrinkSize(path_, kSize - size);
  const SegmentScan scan = Scan();
  EXPECT_FALSE(scan.torn);
  ASSERT_EQ(scan.damage.size(), 1u);
  EXPECT_EQ(scan.damage[0].end, kSize);
  EXPECT_EQ(scan.damage[0].first, 2u);
}

TEST_F(SegmentScanTest, AnotherRegionsFileIsDamageFromEndToEnd) {
  SegmentHeader other = header_;
  other.region = 8;
  other.salt = 99;
  Create("/seg_other", other);
  const SegmentScan scan = Scan();
  EXPECT_FALSE(scan.torn);
  ASSERT_EQ(scan.damage.size(), 1u);
  EXPECT_EQ(scan.damage[0].begin, 0u);
  EXPECT_EQ(scan.damage[0].end, kSize);
  EXPECT_EQ(scan.damage[0].reason, "its header says region 8, it should be 7");
}

TEST_F(SegmentScanTest, AHeaderThatDiffersInAnyFieldIsDamageOfTheWholeFile) {
  const auto expect_foreign = [this](const std::string& field, const SegmentHeader& other) {
    Create("/" + field, other);
    const SegmentScan scan = Scan();
    ASSERT_EQ(scan.damage.size(), 1u) << field;
    EXPECT_EQ(scan.damage[0].begin, 0u) << field;
    EXPECT_EQ(scan.damage[0].end, kSize) << field;
    EXPECT_THAT(scan.damage[0].reason, ::testing::HasSubstr(field));
  };
  SegmentHeader other = header_;
  other.namespace_id = 2;
  expect_foreign("namespace", other);
  other = header_;
  other.segment = 1;
  expect_foreign("segment", other);
  other = header_;
  other.bytes = 2 * kSize;
  expect_foreign("size", other);
  other = header_;
  other.alignment = 1024;
  expect_foreign("alignment", other);
  other = header_;
  ++other.salt;
  expect_foreign("salt", other);
}

TEST_F(SegmentScanTest, ABrokenHeaderHidesNoGroup) {
  Append(2);
  disk_.FlipBit(path_, 20, 1);
  const SegmentScan scan = Scan();
  ExpectDamage(scan, 0, kSegmentHeaderBytes, 0, 0);
  EXPECT_EQ(scan.records, 2u);
}

// A payload that is the segment's own bytes, laid so that its groups begin where groups could.
TEST_F(SegmentScanTest, NoPayloadPassesForAGroup) {
  Append(3, 200);
  Append(2, 900);
  Sync();
  Append(1);
  const std::string copy = disk_.ReadWhole(path_).substr(512, end_ - 512);
  const uint64_t begin = header_.GroupBegin(end_);
  const uint64_t filler = 512 - kGroupHeadBytes - kMinRecordBytes;
  const std::string group = Group(begin, next_, {{1, std::string(filler, 'x') + copy}}, header_);
  ASSERT_EQ(group.substr(512, 100), copy.substr(0, 100));
  Put(begin, group);
  end_ = begin + group.size();
  // The group that holds them is torn: what lies in its payload says nothing.
  Zero(begin, 512);
  ExpectTorn(Scan(), begin);
}

// The same of another segment, whose place and salt are others.
TEST_F(SegmentScanTest, NoCopiedSegmentPassesForGroups) {
  Append(1);
  const uint64_t begin = header_.GroupBegin(end_);
  SegmentHeader other = header_;
  for (const int field : {0, 1, 2, 3}) {
    other = header_;
    if (field == 0) other.salt = 1;
    if (field == 1) other.region = 1;
    if (field == 2) other.segment = 1;
    if (field == 3) other.namespace_id = 2;
    Put(begin, Group(begin, 2, {{1, std::string(600, 'q')}}, other));
    const SegmentScan scan = Scan();
    EXPECT_EQ(scan.records, 1u) << field;
    EXPECT_EQ(scan.damage.size(), 1u) << "no crash writes that";
  }
}

// Opening looks at places where groups can begin, and each look is short.
TEST_F(SegmentScanTest, ATornGroupOfHeadsIsNotReadOverAndOver) {
  const uint64_t begin = header_.GroupBegin(end_);
  std::string payload(512 - kGroupHeadBytes - kMinRecordBytes, 'x');
  // Heads of groups of the rest of the file, which a client that knew no salt could build.
  SegmentHeader guessed = header_;
  guessed.salt = 0;
  for (uint64_t at = begin + 512; at + 512 < kSize; at += 512) {
    std::string unit(512, 'x');
    PutGroupHead(unit.data(), guessed, at,
                 {.sequence = 2, .bytes = static_cast<uint32_t>(kSize - at), .records = 9});
    payload += unit;
  }
  Put(begin, Group(begin, 1, {{1, payload}}, header_));
  Zero(begin, 512);
  const CountingFile counting(*file_);
  const auto scan = ScanSegment(counting, Options());
  ASSERT_TRUE(scan.ok());
  ExpectTorn(*scan, begin);
  EXPECT_LE(counting.bytes, 3 * kSize);
}

// Any subset of the sectors of groups that no sync followed: never damage, never a lost group
// before them.
TEST_F(SegmentScanTest, AnySubsetOfUnsyncedSectorsIsATornTailOrAnEnd) {
  Append(2, 300);
  Append(1);
  Sync();
  const uint64_t synced = end_;
  const std::string durable = disk_.ReadWhole(path_);
  const uint64_t first = Append(3, 500);
  Append(1);
  Append(1, 900);
  const std::string written = disk_.ReadWhole(path_);
  const uint64_t sectors = (header_.GroupBegin(end_) - first) / 512;
  ASSERT_LE(sectors, 12u);
  for (uint64_t kept = 0; kept < (uint64_t{1} << sectors); ++kept) {
    for (uint64_t i = 0; i < sectors; ++i) {
      const std::string& from = (kept >> i & 1) != 0 ? written : durable;
      Put(first + 512 * i, from.substr(first + 512 * i, 512));
    }
    const SegmentScan scan = Scan();
    ASSERT_TRUE(scan.damage.empty()) << kept << ": " << scan.damage[0].reason;
    ASSERT_GE(scan.end, synced) << kept;
    ASSERT_GE(scan.records, 3u) << kept;
    ASSERT_TRUE(scan.torn || kept == 0 || kept + 1 == uint64_t{1} << sectors || scan.end > synced)
        << kept;
  }
}

TEST_F(SegmentScanTest, AGroupLargerThanTheReadersWindowIsRead) {
  // The window is 256 KiB; this needs a larger segment.
  SegmentHeader large = header_;
  large.bytes = 2 << 20;
  Create("/seg_1", large);
  const std::string first = Group(512, 1, {{1, std::string(700'000, 'a')}}, large);
  Put(512, first);
  end_ = 512 + first.size();
  const uint64_t second = large.GroupBegin(end_);
  Put(second, Group(second, 2, {{1, "b"}}, large));
  SegmentScanOptions options = Options();
  options.header = large;
  options.reach = large.bytes;
  const auto scan = ScanSegment(*file_, options);
  ASSERT_TRUE(scan.ok());
  EXPECT_EQ(scan->records, 2u);
}

}  // namespace
}  // namespace walden::segment
