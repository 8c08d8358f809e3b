// What a region says that it takes, for those who watch many of them.
#include <algorithm>

#include "base/clock.h"
#include "tests/conformance/log_fixture.h"

namespace walden::testing {
namespace {

class UsageTest : public LogTest {
 protected:
  uint64_t LiveRecords() {
    uint64_t live = 0;
    for (const TableId table : ledger().Tables()) live += ledger().Live(table).size();
    return live;
  }

  // Also says whether it agrees with the long description.
  RegionUsage Usage() {
    const RegionUsage usage = log().Usage();
    const RegionDescription description = log().Describe();
    EXPECT_EQ(usage.allocated_bytes, description.allocated_bytes);
    EXPECT_EQ(usage.live_bytes, description.live_bytes);
    EXPECT_EQ(usage.segments, description.segments.size());
    EXPECT_EQ(usage.tables, description.tables.size());
    EXPECT_EQ(usage.damaged_ranges, description.opening.damaged.size());
    return usage;
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, UsageTest, ::testing::ValuesIn(AllSettings()), SettingName);

TEST_P(UsageTest, ARegionWithoutRecordsTakesNoneAndHasNoOldest) {
  const RegionUsage usage = Usage();
  EXPECT_EQ(usage.live_records, 0u);
  EXPECT_EQ(usage.tables, 0u);
  EXPECT_FALSE(usage.oldest.has_value());
}

TEST_P(UsageTest, LiveRecordsAreCountedAsTheyAreAppendedDeletedAndFoundAgain) {
  for (int i = 0; i < 6; ++i) {
    Append(1, 3);
    Append(2, 2);
  }
  EXPECT_EQ(Usage().live_records, LiveRecords());
  RestartEngine();
  EXPECT_EQ(Usage().live_records, LiveRecords());
  MarkDeleted(1, kMaxSequenceNumber);
  EXPECT_EQ(Usage().live_records, LiveRecords());
  Append(1, 4);
  EXPECT_EQ(Usage().live_records, LiveRecords());
  MarkDeleted(1, kMaxSequenceNumber);
  MarkDeleted(2, kMaxSequenceNumber);
  EXPECT_EQ(Usage().live_records, 0u);
  RestartEngine();
  EXPECT_EQ(Usage().live_records, 0u);
}

TEST_P(UsageTest, AMarkThatCutsThroughRecordsLeavesAtLeastOneAndNoMoreThanThereWere) {
  for (int i = 0; i < 10; ++i) {
    Append(1, 2);
    Append(2, 2);
  }
  for (size_t n = 0; n < 19; ++n) {
    MarkDeleted(1, ledger().Live(1).front().sequence);
    const uint64_t of_table_1 = Usage().live_records - ledger().Live(2).size();
    EXPECT_GE(of_table_1, 1u);
    EXPECT_LE(of_table_1, 20u);
  }
  MarkDeleted(1, ledger().Live(1).front().sequence);
  EXPECT_EQ(Usage().live_records, ledger().Live(2).size());
}

TEST_P(UsageTest, TheOldestLiveRecordIsTheOneThatKeepsTheLogFromShrinking) {
  const auto expect_oldest = [this](TableId table) {
    const auto oldest = Usage().oldest;
    ASSERT_TRUE(oldest.has_value());
    EXPECT_EQ(oldest->table, table);
    EXPECT_EQ(oldest->sequence, ledger().Live(table).front().sequence);
    ASSERT_TRUE(oldest->age.has_value());
    EXPECT_GE(*oldest->age, absl::ZeroDuration());
  };
  Append(1, 3);
  for (int i = 0; i < 6; ++i) {
    Append(2, 3);
    Append(3, 3);
  }
  expect_oldest(1);
  MarkDeleted(2, kMaxSequenceNumber);
  expect_oldest(1);
  RestartEngine();
  expect_oldest(1);
  MarkDeleted(1, ledger().Live(1)[1].sequence);
  expect_oldest(1);
  MarkDeleted(1, kMaxSequenceNumber);
  expect_oldest(3);
  MarkDeleted(3, kMaxSequenceNumber);
  EXPECT_FALSE(Usage().oldest.has_value());
  Append(2, 1);
  expect_oldest(2);
}

TEST_P(UsageTest, TheOldestLiveRecordNamesATimeByWhichItWasAppended) {
  const auto now = [] { return WallClock::Real()->UnixMicros(); };
  const int64_t before = now();
  Append(1, 3);
  const int64_t after = now();
  const auto oldest = Usage().oldest;
  ASSERT_TRUE(oldest.has_value());
  ASSERT_TRUE(oldest->appended_unix_micros.has_value());
  EXPECT_GE(*oldest->appended_unix_micros, before);
  EXPECT_LE(*oldest->appended_unix_micros, after);

  for (int i = 0; i < 20; ++i) Append(2, 3);
  EXPECT_EQ(Usage().oldest->appended_unix_micros, oldest->appended_unix_micros);
  RestartEngine();
  EXPECT_EQ(Usage().oldest->appended_unix_micros, oldest->appended_unix_micros);

  const int64_t later = now();
  Append(3, 1);
  MarkDeleted(1, kMaxSequenceNumber);
  MarkDeleted(2, kMaxSequenceNumber);
  EXPECT_GE(*Usage().oldest->appended_unix_micros, later);
  EXPECT_LE(*Usage().oldest->appended_unix_micros, now());
}

}  // namespace
}  // namespace walden::testing
