// Seeks by append time in segments of many groups, with damage, and next to groups without records.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
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
    auto log = engine_->OpenRegion(
        kRegion, {.recovery_policy = policy, .segment_size_bytes = segment_bytes_}, true);
    ASSERT_TRUE(log.ok()) << log.status();
    log_ = *std::move(log);
  }

  SequenceNumber FirstSince(TableId table, absl::Time time) {
    const auto first = log_->FirstSince(table, time);
    EXPECT_TRUE(first.ok()) << first.status();
    return first.value_or(0);
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
  const uint64_t producer = log_->OpenProducer(std::nullopt).value_or(0);
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
  ASSERT_TRUE(log_->Close().ok());
  log_.reset();
  engine_.reset();
  // Record 3 with its head: groups begin at multiples of the alignment.
  const std::string path = absl::StrCat("/data/ns/", kRegion, "/seg_0");
  const size_t record = disk_.ReadWhole(path).find(std::string(1000, 'c'));
  ASSERT_NE(record, std::string::npos);
  for (uint64_t at = record - 100; at < record; at += 9) disk_.FlipBit(path, at, 3);
  Open(RecoveryPolicy::kQuarantine);
  ASSERT_EQ(log_->Describe().opening.damaged.size(), 1u);
  EXPECT_EQ(FirstSince(1, times[0]), 1u);
  EXPECT_EQ(FirstSince(1, times[1]), 2u);
  EXPECT_EQ(FirstSince(1, times[1] + absl::Microseconds(1)), 3u);
  EXPECT_EQ(FirstSince(1, times[2]), 3u);
  EXPECT_EQ(FirstSince(1, times[3]), 3u) << "the lost record may be as young as the next one";
  EXPECT_EQ(FirstSince(1, times[3] + absl::Microseconds(1)), 5u);
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
