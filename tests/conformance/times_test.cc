// Seeking by append time.
#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/wait.h"
#include "tests/conformance/log_fixture.h"
#include "tests/support/random.h"
#include "tests/support/settable_wall_clock.h"

namespace walden::testing {
namespace {

// An engine may know the append time of a record only this well.
constexpr absl::Duration kGranularity = absl::Seconds(1);

class TimesTest : public LogTest {
 protected:
  TimesTest() { set_wall_clock(&clock_); }

  // Seconds after the start of the test.
  absl::Time At(int64_t seconds) const { return start_ + absl::Seconds(seconds); }

  BatchResult AppendAt(absl::Time time, TableId table, size_t count,
                       Durability durability = Durability::kSync) {
    clock_.Set(time);
    const BatchResult result = Append(table, count, durability);
    NoteTime(table, result);
    return result;
  }
  BatchResult AppendAt(int64_t seconds, TableId table, size_t count) {
    return AppendAt(At(seconds), table, count);
  }

  // The time of the clock is that of the batch, unless a record was appended later: to the table, or
  // to the region, as the engine likes.
  void NoteTime(TableId table, const BatchResult& result) {
    Group batch{table, result.first, result.last, clock_.now(), clock_.now()};
    for (const Group& group : groups_) {
      if (group.table == table) batch.time = std::max(batch.time, group.time);
      batch.latest = std::max(batch.latest, group.latest);
    }
    groups_.push_back(batch);
  }

  // The first live record of a batch that `counts`, or the next number.
  template <typename Predicate>
  SequenceNumber FirstLive(TableId table, Predicate counts) {
    for (const Group& group : groups_) {
      if (group.table != table || !counts(group)) continue;
      const SequenceNumber live = std::max(group.first, ledger().Mark(table) + 1);
      if (live <= group.last) return live;
    }
    return log().Position(table).next;
  }
  // The number from which a reader must read to see all live records from `time` on.
  SequenceNumber Expected(TableId table, absl::Time time) {
    return FirstLive(table, [&](const auto& group) { return group.time >= time; });
  }
  // The lowest answer that is not too early.
  SequenceNumber Earliest(TableId table, absl::Time time) {
    return FirstLive(table, [&](const auto& group) { return group.latest >= time - kGranularity; });
  }

  SequenceNumber FirstSince(TableId table, absl::Time time) {
    const auto first = log().FirstSince(table, time);
    EXPECT_TRUE(first.ok()) << first.status();
    return first.value_or(0);
  }

  std::vector<absl::Time> InterestingTimes() const {
    std::vector<absl::Time> times = {absl::InfinitePast(), absl::UnixEpoch(),
                                     absl::InfiniteFuture()};
    for (const Group& group : groups_) {
      for (const absl::Duration step : {absl::ZeroDuration(), kGranularity}) {
        for (const int64_t micros : {-1, 0, 1}) {
          times.push_back(group.time + step + absl::Microseconds(micros));
          times.push_back(group.time - step + absl::Microseconds(micros));
        }
      }
    }
    return times;
  }

  // No record from a time on is skipped, and not more earlier ones are returned than those of the
  // granularity.
  void ExpectTimes() {
    for (const TableId table : ledger().Tables()) {
      for (const absl::Time time : InterestingTimes()) {
        const SequenceNumber first = FirstSince(table, time);
        EXPECT_LE(first, Expected(table, time)) << "table " << table << " since " << time;
        EXPECT_GE(first, Earliest(table, time)) << "table " << table << " since " << time;
      }
    }
  }

  SettableWallClock clock_;

 private:
  struct Group {
    TableId table = 0;
    SequenceNumber first = 0;
    SequenceNumber last = 0;
    absl::Time time;
    absl::Time latest;  // if the region's times never fall
  };
  const absl::Time start_ = clock_.now();
  std::vector<Group> groups_;  // in log order
};
INSTANTIATE_TEST_SUITE_P(Engines, TimesTest, ::testing::ValuesIn(AllSettings()), SettingName);

TEST_P(TimesTest, ATableWithoutRecordsBeginsAtItsNextNumber) {
  EXPECT_EQ(FirstSince(1, absl::InfinitePast()), log().Position(1).next);
  EXPECT_EQ(FirstSince(1, absl::InfiniteFuture()), log().Position(1).next);
  AppendAt(0, 2, 3);
  EXPECT_EQ(FirstSince(1, At(0)), log().Position(1).next);
}

TEST_P(TimesTest, ATimeBetweenTwoBatchesIsThatOfTheLaterOne) {
  const BatchResult early = AppendAt(0, 1, 3);
  const BatchResult late = AppendAt(10, 1, 2);
  EXPECT_EQ(FirstSince(1, At(-5)), early.first);
  EXPECT_EQ(FirstSince(1, At(0)), early.first);
  EXPECT_EQ(FirstSince(1, At(1)), late.first);
  EXPECT_EQ(FirstSince(1, At(10)), late.first);
  EXPECT_EQ(FirstSince(1, At(11)), late.last + 1);
  ExpectTimes();
}

TEST_P(TimesTest, BatchesOfTheSameTimeBelongTogether) {
  AppendAt(0, 1, 2);
  const BatchResult first = AppendAt(5, 1, 2);
  for (int i = 0; i < 10; ++i) AppendAt(5, 1, 2);
  const BatchResult next = AppendAt(8, 1, 1);
  EXPECT_EQ(FirstSince(1, At(5)), first.first);
  EXPECT_EQ(FirstSince(1, At(6)), next.first);
  ExpectTimes();
}

TEST_P(TimesTest, EachTableHasItsOwnFirstRecord) {
  for (int64_t i = 0; i < 30; ++i) AppendAt(3 * i, 1 + i % 3, 1 + i % 2);
  ExpectTimes();
  RestartEngine();
  ExpectTimes();
}

TEST_P(TimesTest, BatchesCloseTogetherAreNeverSkipped) {
  Random random(7);
  absl::Time time = At(0);
  for (int i = 0; i < 120; ++i) {
    time += absl::Microseconds(random.Percent(10) ? random.Below(3'000'000) : random.Below(40'000));
    AppendAt(time, random.Between(1, 3), random.Between(1, 3));
  }
  ExpectTimes();
  RestartEngine();
  ExpectTimes();
}

TEST_P(TimesTest, DeletedRecordsAreNotFound) {
  for (int64_t i = 0; i < 10; ++i) AppendAt(2 * i, 1, 3);
  AppendAt(20, 2, 1);
  for (const size_t deleted : {2, 4, 5, 11, 1}) {
    MarkDeleted(1, ledger().Live(1)[deleted].sequence);
    ExpectTimes();
  }
  RestartEngine();
  ExpectTimes();
  MarkDeleted(1, kMaxSequenceNumber);
  ExpectTimes();
  RestartEngine();
  ExpectTimes();
  const BatchResult again = AppendAt(30, 1, 2);
  EXPECT_EQ(FirstSince(1, At(10)), again.first);
  ExpectTimes();
}

TEST_P(TimesTest, ATableThatIsEmptiedAgainAndAgainKeepsItsTimes) {
  for (int64_t i = 0; i < 12; ++i) {
    AppendAt(2 * i, 1, 2);
    ExpectTimes();
    MarkDeleted(1, kMaxSequenceNumber);
    ExpectTimes();
    if (i % 4 == 3) RestartEngine();
  }
}

TEST_P(TimesTest, WhatIsOlderThanATimeIsDeletedByTheMarkBelowIt) {
  for (int64_t i = 0; i < 20; ++i) AppendAt(2 * i, 1, 2);
  for (const int64_t until : {3, 4, 17, 30, 100}) {
    MarkDeleted(1, FirstSince(1, At(until)) - 1);
    const size_t newer = until > 38 ? 0 : 2 * (20 - (until + 1) / 2);
    EXPECT_EQ(ledger().Live(1).size(), newer) << until;
    ExpectLogHoldsLedger();
  }
}

TEST_P(TimesTest, TimesNeverFallWhenTheClockIsSetBack) {
  AppendAt(100, 1, 2);
  const BatchResult back = AppendAt(50, 1, 2);
  EXPECT_LE(FirstSince(1, At(50)), back.first);
  EXPECT_LE(FirstSince(1, At(75)), back.first);
  EXPECT_LE(FirstSince(1, At(100)), back.first);
  EXPECT_EQ(FirstSince(1, At(102)), back.last + 1);
  AppendAt(60, 1, 1);
  ExpectTimes();
  RestartEngine();
  AppendAt(70, 1, 1);
  ExpectTimes();
  AppendAt(130, 1, 1);
  EXPECT_EQ(FirstSince(1, At(102)), ledger().Live(1).back().sequence);
  ExpectTimes();
}

TEST_P(TimesTest, RestoredRecordsWereAppendedWhenTheyWereRestored) {
  const auto restore = [&](int64_t seconds, TableId table, SequenceNumber first) {
    clock_.Set(At(seconds));
    const BatchResult result =
        Try({.table = table, .payloads = Payloads(2), .first_sequence = first});
    EXPECT_TRUE(result.status.ok()) << result.status;
    NoteTime(table, result);
  };
  for (const TableId table : {1, 2}) {
    for (int64_t i = 0; i < 4; ++i) restore(20 * table + 2 * i, table, 1 + 7 * i);
  }
  EXPECT_EQ(FirstSince(2, At(42)), 8u);
  ExpectTimes();
  RestartEngine();
  ExpectTimes();
}

TEST_P(TimesTest, ADroppedRegionLeavesNoTimes) {
  for (int64_t i = 0; i < 10; ++i) AppendAt(2 * i, 1, 2);
  CloseLog();
  ASSERT_TRUE(DropRegionAndWait(engine(), kRegion).value_or(false));
  OpenLog();
  clock_.Set(At(5));
  const auto again = log().FirstSince(1, absl::InfinitePast());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(*again, log().Position(1).next);
  const BatchResult result = CommitOne(log(), {.table = 1, .payloads = Payloads(1)});
  ASSERT_TRUE(result.status.ok()) << result.status;
  EXPECT_EQ(FirstSince(1, At(5)), result.first);
  EXPECT_EQ(FirstSince(1, At(7)), result.last + 1);
}

TEST_P(TimesTest, TheOldestLiveRecordWasAppendedAtTheTimeThatItsRegionNames) {
  AppendAt(0, 1, 2);
  AppendAt(10, 2, 2);
  AppendAt(20, 1, 2);
  const auto oldest = [&] { return *log().Usage().oldest->appended_unix_micros; };
  EXPECT_EQ(oldest(), absl::ToUnixMicros(At(0)));
  MarkDeleted(1, ledger().Live(1)[1].sequence);
  EXPECT_EQ(oldest(), absl::ToUnixMicros(At(10)));
  RestartEngine();
  EXPECT_EQ(oldest(), absl::ToUnixMicros(At(10)));
  MarkDeleted(2, kMaxSequenceNumber);
  EXPECT_EQ(oldest(), absl::ToUnixMicros(At(20)));
  MarkDeleted(1, kMaxSequenceNumber);
  EXPECT_FALSE(log().Usage().oldest.has_value());
}

TEST_P(TimesTest, RetentionByAgeKeepsWhatIsYounger) {
  for (int64_t i = 0; i < 40; ++i) AppendAt(2 * i, 1 + i % 2, 2);
  for (const int64_t age : {1000, 60, 41, 20}) {
    const auto plan = log().PlanRetention({.age = absl::Seconds(age)}, At(80));
    ASSERT_TRUE(plan.ok()) << plan.status();
    for (const TableMark& mark : plan->marks) {
      EXPECT_LT(mark.through, Expected(mark.table, At(80 - age)));
      EXPECT_GT(mark.through, ledger().Mark(mark.table));
      MarkDeleted(mark.table, mark.through);
    }
    ExpectLogHoldsLedger();
  }
}

class TimesFaultTest : public TimesTest {};
INSTANTIATE_TEST_SUITE_P(Engines, TimesFaultTest, ::testing::ValuesIn(CrashSettings()),
                         SettingName);

TEST_P(TimesFaultTest, TimesOfDurableRecordsSurviveACrash) {
  for (int64_t i = 0; i < 20; ++i) AppendAt(2 * i, 1 + i % 2, 2);
  ExpectTimes();
  machine().PowerCut(PowerLoss::kNothing);
  CrashAndReopen();
  ExpectTimes();
  // Also where the clock went back meanwhile.
  AppendAt(10, 1, 1);
  AppendAt(60, 2, 1);
  ExpectTimes();
}

TEST_P(TimesFaultTest, RecordsThatACrashTookLeaveNoTimes) {
  AppendAt(0, 1, 2);
  set_buffered_sync_every_writes(1000);
  ReopenLog();
  clock_.Set(At(50));
  const Batch lost{.table = 1, .payloads = Payloads(2), .durability = Durability::kBuffered};
  ASSERT_TRUE(CommitOne(log(), lost).status.ok());
  machine().PowerCut(PowerLoss::kNothing);
  CrashAndReopen();
  EXPECT_EQ(FirstSince(1, At(20)), log().Position(1).next);
  const BatchResult next = AppendAt(30, 1, 2);
  EXPECT_EQ(FirstSince(1, At(20)), next.first);
  EXPECT_EQ(FirstSince(1, At(32)), next.last + 1);
  ExpectTimes();
}

}  // namespace
}  // namespace walden::testing
