// Seeks by append time in segments of many groups, with damage, and next to groups without records.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/wait.h"
#include "tests/support/settable_wall_clock.h"
#include "tests/unit/engine/segment/engine_fixture.h"

namespace walden {
namespace {

class SegmentTimesTest : public testing::SegmentEngineTest {
 protected:
  void SetUp() override {
    SegmentEngineTest::SetUp();
    wall_clock_ = &time_;
    segment_bytes_ = 8 << 20;
  }

  void Open(RecoveryPolicy policy = RecoveryPolicy::kRefuse) {
    OpenEngine();
    auto log = OpenRegionAndWait(
        *engine_, kRegion, {.recovery_policy = policy, .segment_size_bytes = segment_bytes_}, true);
    ASSERT_TRUE(log.ok()) << log.status();
    log_ = *std::move(log);
  }

  SequenceNumber FirstSince(TableId table, absl::Time time) {
    const auto first = log_->FirstSince(table, time);
    EXPECT_TRUE(first.ok()) << first.status();
    return first.value_or(0);
  }

  // Restores a record ten seconds after the one before, and returns its append time.
  absl::Time Restore(TableId table, SequenceNumber number, char fill) {
    time_.Advance(absl::Seconds(10));
    const auto result = testing::CommitOne(
        *log_, {.table = table, .payloads = {std::string(1000, fill)}, .first_sequence = number});
    EXPECT_TRUE(result.status.ok()) << result.status;
    return time_.now();
  }

  // Damages the record of this fill with its head, and opens the region again without it. Groups begin
  // at multiples of the alignment.
  void LoseRecord(char fill) {
    ASSERT_TRUE(CloseAndWait(*log_).ok());
    log_.reset();
    engine_.reset();
    const std::string path = absl::StrCat("/data/ns/", kRegion, "/seg_0");
    const size_t record = disk_.ReadWhole(path).find(std::string(1000, fill));
    ASSERT_NE(record, std::string::npos);
    for (uint64_t at = record - 100; at < record; at += 9) disk_.FlipBit(path, at, 3);
    Open(RecoveryPolicy::kQuarantine);
    ASSERT_EQ(log_->Describe().opening.damaged.size(), 1u);
  }

  testing::SettableWallClock time_;
};

TEST_F(SegmentTimesTest, EachOfThousandGroupsIsFoundByItsMicrosecond) {
  Open();
  const absl::Time start = time_.now();
  constexpr int kGroups = 1000;
  for (int i = 0; i < kGroups; ++i) {
    time_.Advance(absl::Microseconds(2));
    ASSERT_TRUE(Append(1 + i % 2, 10'000).status.ok());
  }
  for (const bool again : {false, true}) {
    SCOPED_TRACE(again);
    if (again) Open();
    for (int i = 0; i < kGroups; i += 7) {
      const TableId table = 1 + i % 2;
      const SequenceNumber number = static_cast<SequenceNumber>(i) + 1;
      EXPECT_EQ(FirstSince(table, start + absl::Microseconds(2 * i + 2)), number);
      EXPECT_EQ(FirstSince(table, start + absl::Microseconds(2 * i + 1)), number);
      EXPECT_EQ(FirstSince(3 - table, start + absl::Microseconds(2 * i + 1)),
                i + 1 < kGroups ? number + 1 : log_->Position(3 - table).next);
    }
  }
}

TEST_F(SegmentTimesTest, AGroupWithoutRecordsHidesNone) {
  Open();
  ASSERT_TRUE(Append(1, 100).status.ok());
  const uint64_t producer = OpenProducerAndWait(*log_, std::nullopt).value_or(0);
  time_.Advance(absl::Seconds(10));
  const absl::Time passed_over = time_.now();
  ASSERT_TRUE(testing::CommitOne(*log_, {.producer = ProducerTag{producer, 1}}).status.ok());
  EXPECT_EQ(FirstSince(1, passed_over), 2u);
  time_.Advance(absl::Seconds(10));
  ASSERT_TRUE(Append(1, 100).status.ok());
  for (const bool again : {false, true}) {
    if (again) Open();
    EXPECT_EQ(FirstSince(1, passed_over), 2u);
    EXPECT_EQ(FirstSince(1, time_.now()), 2u);
    EXPECT_EQ(FirstSince(1, time_.now() + absl::Microseconds(1)), 3u);
  }
}

// Nobody knows when the records were appended that damage took, only which groups lie around them.
TEST_F(SegmentTimesTest, DamageIsNotPassedOverUnlessALaterGroupIsOlder) {
  Open();
  std::vector<absl::Time> times;
  for (int i = 0; i < 5; ++i) {
    time_.Advance(absl::Seconds(10));
    times.push_back(time_.now());
    ASSERT_TRUE(Append(1, 1000, static_cast<char>('a' + i)).status.ok());
  }
  LoseRecord('c');
  EXPECT_EQ(FirstSince(1, times[0]), 1u);
  EXPECT_EQ(FirstSince(1, times[1]), 2u);
  EXPECT_EQ(FirstSince(1, times[1] + absl::Microseconds(1)), 3u);
  EXPECT_EQ(FirstSince(1, times[2]), 3u);
  EXPECT_EQ(FirstSince(1, times[3]), 3u) << "the lost record may be as young as the next one";
  EXPECT_EQ(FirstSince(1, times[3] + absl::Microseconds(1)), 5u);
}

// Numbers of a restored table are lower than those that its records have in the log, and damage from
// before may have no number among them.
TEST_F(SegmentTimesTest, DamageFromBeforeATableWasRestoredMakesNoneOfItsRecordsOlder) {
  Open();
  const absl::Time start = time_.now();
  const absl::Time lost = start + absl::Seconds(20);
  for (const char fill : {'a', 'b', 'c'}) {
    time_.Advance(absl::Seconds(10));
    ASSERT_TRUE(Append(1, 1000, fill).status.ok());
  }
  ASSERT_TRUE(RestoreMarkAndWait(*log_, 2, 0, TableKind::kLog).ok());
  const absl::Time first = Restore(2, 1, 'd');
  const absl::Time second = Restore(2, 2, 'e');
  LoseRecord('b');
  for (const absl::Time time : {start, lost, first}) EXPECT_EQ(FirstSince(2, time), 1u) << time;
  EXPECT_EQ(FirstSince(2, second), 2u);
  // A mark before such a time deletes nothing.
  const auto mark = MarkTableAndWait(*log_, 2, FirstSince(2, lost) - 1, std::nullopt);
  ASSERT_TRUE(mark.ok()) << mark.status();
  EXPECT_EQ(*mark, 0u);
  EXPECT_EQ(log_->Position(2).next, 3u);
}

TEST_F(SegmentTimesTest, ARestoredTableThatBeginsWithDamageIsNotOlderThanItsDamage) {
  Open();
  const absl::Time start = time_.now();
  ASSERT_TRUE(Append(1, 1000, 'a').status.ok());
  ASSERT_TRUE(Append(1, 1000, 'b').status.ok());
  ASSERT_TRUE(RestoreMarkAndWait(*log_, 2, 4, TableKind::kLog).ok());
  const absl::Time first = Restore(2, 5, 'c');
  const absl::Time second = Restore(2, 6, 'd');
  Restore(2, 7, 'e');
  LoseRecord('c');
  for (const absl::Time time : {start, first, second}) EXPECT_EQ(FirstSince(2, time), 5u) << time;
  EXPECT_EQ(FirstSince(2, second + absl::Microseconds(1)), 7u);
}

TEST_F(SegmentTimesTest, AFileThatIsMissingLeavesABoundFromWhichReadsReportIt) {
  Open();
  const absl::Time start = time_.now();
  for (int i = 0; i < 10; ++i) {
    time_.Advance(absl::Seconds(10));
    ASSERT_TRUE(Append(1, 1000).status.ok());
  }
  ASSERT_TRUE(disk_.RemoveFile(absl::StrCat("/data/ns/", kRegion, "/seg_0")).ok());
  EXPECT_LE(FirstSince(1, start + absl::Seconds(50)), 5u);
}

}  // namespace
}  // namespace walden
