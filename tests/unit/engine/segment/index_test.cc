#include "engine/segment/segment_index.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace walden::segment {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

MATCHER_P3(IsExtent, first, begin, end, "") {
  return arg.first == static_cast<SequenceNumber>(first) &&
         arg.begin == static_cast<uint32_t>(begin) && arg.end == static_cast<uint32_t>(end);
}

TEST(SegmentIndexTest, AdjacentRunsOfATableShareAnExtent) {
  SegmentIndex index;
  index.Add({1, 1, 1, 8, 100});
  index.Add({1, 2, 2, 100, 200});
  EXPECT_THAT(index.ExtentsFrom(1, 1, 10), ElementsAre(IsExtent(1, 8, 200)));
}

TEST(SegmentIndexTest, AnExtentEndsWhereItWouldGrowTooLarge) {
  SegmentIndex index;
  index.Add({1, 1, 1, 8, 60'000});
  index.Add({1, 2, 2, 60'000, 70'000});
  EXPECT_THAT(index.ExtentsFrom(1, 1, 10),
              ElementsAre(IsExtent(1, 8, 60'000), IsExtent(2, 60'000, 70'000)));
}

TEST(SegmentIndexTest, RunsFarApartAreSeparateExtents) {
  SegmentIndex index;
  index.Add({1, 1, 1, 8, 100});
  index.Add({2, 2, 2, 100, 2'000});
  index.Add({1, 3, 3, 2'000, 2'100});
  EXPECT_THAT(index.ExtentsFrom(1, 1, 10),
              ElementsAre(IsExtent(1, 8, 100), IsExtent(3, 2'000, 2'100)));
  EXPECT_THAT(index.ExtentsFrom(1, 2, 10),
              ElementsAre(IsExtent(1, 8, 100), IsExtent(3, 2'000, 2'100)));
  EXPECT_THAT(index.ExtentsFrom(1, 3, 10), ElementsAre(IsExtent(3, 2'000, 2'100)));
  EXPECT_THAT(index.ExtentsFrom(9, 1, 10), IsEmpty());
}

TEST(SegmentIndexTest, NoExtentSpansAFence) {
  SegmentIndex index;
  index.Add({1, 1, 1, 8, 100});
  index.Fence(150);
  index.Add({1, 5, 5, 150, 200});
  index.Add({1, 6, 6, 200, 300});
  EXPECT_THAT(index.ExtentsFrom(1, 1, 10), ElementsAre(IsExtent(1, 8, 100), IsExtent(5, 150, 300)));
}

TEST(SegmentIndexTest, RaisingTheFirstRemovesWhatLiesBelow) {
  SegmentIndex index;
  index.Add({1, 1, 4, 8, 40'000});
  index.Add({1, 5, 9, 40'000, 80'000});
  EXPECT_TRUE(index.RaiseFirst(1, 6));
  EXPECT_EQ(index.LiveRange(1)->first, 6u);
  EXPECT_EQ(index.LiveRange(1)->last, 9u);
  EXPECT_THAT(index.ExtentsFrom(1, 1, 10), ElementsAre(IsExtent(5, 40'000, 80'000)));
}

TEST(SegmentIndexTest, LiveBytesAreThoseOfTheRecordsAndGoWithTheirExtents) {
  SegmentIndex index;
  index.Add({1, 1, 4, 8, 40'000});
  index.Add({1, 5, 9, 40'000, 80'000});
  index.Add({2, 10, 10, 80'000, 80'100});
  index.Add({2, 11, 11, 80'200, 80'300});  // shares the extent; the gap is not its own
  EXPECT_EQ(index.LiveBytes(), 79'992u + 200u);
  EXPECT_EQ(index.LiveRecords(), 11u);
  index.RaiseFirst(1, 6);
  EXPECT_EQ(index.LiveBytes(), 40'000u + 200u);
  EXPECT_EQ(index.LiveRecords(), 4u + 2u);  // no more than there are numbers
  index.RaiseFirst(1, 10);
  EXPECT_EQ(index.LiveBytes(), 200u);
  EXPECT_EQ(index.LiveRecords(), 2u);
  index.RaiseFirst(2, 12);
  EXPECT_EQ(index.LiveBytes(), 0u);
  EXPECT_EQ(index.LiveRecords(), 0u);
}

TEST(SegmentIndexTest, ManySmallTablesInTurnCountNoByteTwice) {
  constexpr uint32_t kTables = 5;
  constexpr uint32_t kRecordBytes = 100;  // the others' records between two fit the gap
  constexpr uint32_t kRecords = 10'000;
  SegmentIndex index;
  for (uint32_t i = 0; i < kRecords; ++i) {
    index.Add({i % kTables, i + 1, i + 1, i * kRecordBytes, (i + 1) * kRecordBytes});
  }
  ASSERT_LT(index.ExtentsFrom(1, 1, kRecords).size(), 20u) << "they share extents";
  EXPECT_EQ(index.LiveBytes(), kRecords * kRecordBytes);
  EXPECT_EQ(index.LiveBytes(1), kRecords / kTables * kRecordBytes);
  // Half of one table: what is left of it is about half, to an extent's share.
  index.RaiseFirst(1, kRecords / 2 + 2);
  const double left = index.LiveBytes(1);
  EXPECT_NEAR(left, kRecords / kTables / 2 * kRecordBytes, kMaxRunBytes / kTables);
  EXPECT_EQ(index.LiveBytes(), kRecords * kRecordBytes * 4 / 5 + index.LiveBytes(1));
  EXPECT_NEAR(index.LiveRecords(1), left / kRecordBytes, 1);
  index.RaiseFirst(1, kRecords + 1);
  EXPECT_EQ(index.LiveBytes(), kRecords * kRecordBytes * 4 / 5);
}

TEST(SegmentIndexTest, ATableWithoutLiveRecordsIsGone) {
  SegmentIndex index;
  index.Add({1, 1, 4, 8, 100});
  index.Add({2, 5, 6, 100, 200});
  EXPECT_FALSE(index.RaiseFirst(1, 5));
  EXPECT_FALSE(index.LiveRange(1).has_value());
  EXPECT_THAT(index.tables(), ElementsAre(2));
  EXPECT_FALSE(index.RaiseFirst(2, 7));
  EXPECT_TRUE(index.empty());
}

}  // namespace
}  // namespace walden::segment
