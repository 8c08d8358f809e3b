// How much of a segment damage takes: FORMAT.md, "Damage", on segments written by hand.
#include <string>
#include <vector>

#include "tests/unit/engine/segment/segment_scan_fixture.h"

namespace walden::segment {
namespace {

using SegmentDamageTest = SegmentScanTest;

TEST_F(SegmentDamageTest, KnownDamageIsPassedOver) {
  Append(1);
  const uint64_t begin = Append(2);
  const uint64_t after = Append(1);
  disk_.FlipBit(path_, begin + 30, 1);
  known_damage_ = {{begin, after, 2, 3, "before"}};
  watermark_ = end_;
  const SegmentScan scan = Scan();
  EXPECT_TRUE(scan.damage.empty());
  EXPECT_EQ(scan.records, 2u);
  EXPECT_EQ(scan.next, 5u);
}

TEST_F(SegmentDamageTest, AFileThatIsCutASecondTimeLosesMore) {
  Append(3);
  disk_.ShrinkSize(path_, kAlignment);
  known_damage_ = Scan(KnownEnd{end_, next_}).damage;
  EXPECT_TRUE(Scan().damage.empty());
  disk_.ShrinkSize(path_, kSize - kAlignment);
  const SegmentScan scan = Scan();
  ASSERT_FALSE(scan.damage.empty());
  EXPECT_EQ(scan.damage.back().first, 1u);
  EXPECT_GE(scan.damage.back().last, 3u);
  EXPECT_EQ(scan.damage.back().end, kSize);
}

TEST_F(SegmentDamageTest, AProducersBatchThatBreaksOffHasNoRecordsOfTheNextGroup) {
  const uint64_t bad = header_.GroupBegin(end_);
  RecordWriter writer;
  writer.Reserve(1000);
  writer.BeginGroup();
  writer.AddProducer({kControl | kMoreOfBatch, 1, 1}, /*producer_id=*/9, /*producer_sequence=*/1);
  writer.AddRecord({kMoreOfBatch, 1, 1}, "one");
  writer.AddRecord({0, 1, 2}, "two");
  writer.FinishGroup(header_, bad, {.sequence = 1, .durable = {0, kSegmentHeaderBytes}});
  std::string group;
  for (const absl::string_view piece : writer.pieces()) absl::StrAppend(&group, piece);
  group.resize(writer.size());
  group.back() ^= 1;
  Put(bad, group);
  end_ = bad + group.size();
  next_ = 3;
  Sync();
  Append(2);
  const SegmentScan scan = Scan();
  ASSERT_EQ(scan.damage.size(), 1u);
  EXPECT_TRUE(scan.producers.empty());
  EXPECT_EQ(scan.records, 3u);
}

// Three records of 1,000 bytes in one group that was synced, and one group behind it.
class BrokenGroupTest : public SegmentScanTest {
 protected:
  void SetUp() override {
    SegmentScanTest::SetUp();
    Append(1);
    group_ = Append(3, 1000);
    group_end_ = end_;
    Sync();
    Append(1);
  }

  uint64_t RecordAt(uint64_t i) const {
    return group_ + kGroupHeadBytes + i * (kMinRecordBytes + 1000);
  }
  void ExpectLost(const SegmentScan& scan, uint64_t i) {
    ExpectDamage(scan, header_.GroupBegin(RecordAt(i)), RecordAt(i + 1), 2 + i, 2 + i);
    EXPECT_EQ(scan.damage[0].begin, RecordAt(i));
    EXPECT_EQ(scan.records, 4u);
    EXPECT_EQ(scan.next, 6u);
  }

  uint64_t group_ = 0;
  uint64_t group_end_ = 0;
};

TEST_F(BrokenGroupTest, OnlyTheRecordWhosePayloadChangedIsDamaged) {
  for (const uint64_t i : {0, 1, 2}) {
    SCOPED_TRACE(i);
    disk_.FlipBit(path_, RecordAt(i) + kMinRecordBytes + 500, 3);
    ExpectLost(Scan(), i);
    ExpectLost(Scan(KnownEnd{end_, next_}), i);
    disk_.FlipBit(path_, RecordAt(i) + kMinRecordBytes + 500, 3);
  }
}

TEST_F(BrokenGroupTest, NoExtentSpansTheDamagedRecord) {
  disk_.FlipBit(path_, RecordAt(1) + kMinRecordBytes + 500, 3);
  const SegmentScan scan = Scan();
  for (const Extent& extent : scan.index.ExtentsFrom(1, 1, 100)) {
    EXPECT_TRUE(extent.end <= RecordAt(1) || extent.begin >= RecordAt(2)) << extent.begin;
  }
}

TEST_F(BrokenGroupTest, TwoDamagedRecordsAreTwoRanges) {
  disk_.FlipBit(path_, RecordAt(0) + kMinRecordBytes + 500, 3);
  disk_.FlipBit(path_, RecordAt(2) + kMinRecordBytes + 500, 3);
  const SegmentScan scan = Scan();
  ASSERT_EQ(scan.damage.size(), 2u);
  EXPECT_EQ(scan.damage[0].first, 2u);
  EXPECT_EQ(scan.damage[0].last, 2u);
  EXPECT_EQ(scan.damage[1].first, 4u);
  EXPECT_EQ(scan.damage[1].last, 4u);
  EXPECT_EQ(scan.damage[1].end, group_end_);
  EXPECT_EQ(scan.records, 3u);
}

TEST_F(BrokenGroupTest, WhatWasFoundBeforeIsPassedOverAndMoreIsFound) {
  disk_.FlipBit(path_, RecordAt(1) + kMinRecordBytes + 500, 3);
  known_damage_ = Scan().damage;
  EXPECT_TRUE(Scan().damage.empty());
  EXPECT_EQ(Scan().records, 4u);
  EXPECT_EQ(Scan().next, 6u);
  disk_.FlipBit(path_, RecordAt(2) + kMinRecordBytes + 500, 3);
  const SegmentScan scan = Scan();
  ASSERT_EQ(scan.damage.size(), 1u);
  EXPECT_EQ(scan.damage[0].first, 4u);
  EXPECT_EQ(scan.records, 3u);
}

// The head says where records lie only if it can be believed.
TEST_F(BrokenGroupTest, ABrokenHeadOrHeaderTakesTheWholeGroup) {
  for (const uint64_t offset : {group_ + 40, RecordAt(1) + 6, RecordAt(2) + 23}) {
    SCOPED_TRACE(offset);
    disk_.FlipBit(path_, offset, 3);
    const SegmentScan scan = Scan();
    ExpectDamage(scan, group_, group_end_, 2, 4);
    EXPECT_EQ(scan.records, 2u);
    disk_.FlipBit(path_, offset, 3);
  }
}

TEST_F(BrokenGroupTest, AnUnwrittenSectorInsideAPayloadIsThatRecordsDamage) {
  Zero(header_.GroupBegin(RecordAt(1) + kMinRecordBytes), 512);
  ExpectLost(Scan(), 1);
}

// Behind the durable position nothing is known of a group but all of it.
TEST_F(BrokenGroupTest, AGroupThatNoSyncIsKnownOfIsDamagedAsAWhole) {
  const uint64_t last = Append(3, 1000);
  disk_.FlipBit(path_, last + kGroupHeadBytes + kMinRecordBytes + 500, 3);
  const SegmentScan scan = Scan();
  ExpectDamage(scan, last, end_, 6, 8);
  EXPECT_EQ(scan.records, 5u);
}

}  // namespace
}  // namespace walden::segment
