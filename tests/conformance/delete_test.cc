// Marking deleted, and what is left of numbers afterwards.
#include "base/error.h"
#include "engine/wait.h"
#include "tests/conformance/log_fixture.h"

namespace walden::testing {
namespace {

class DeleteTest : public LogTest {};
INSTANTIATE_TEST_SUITE_P(Engines, DeleteTest, ::testing::ValuesIn(AllSettings()), SettingName);

TEST_P(DeleteTest, HalfOfATableCanBeDeleted) {
  for (int i = 0; i < 10; ++i) {
    Append(1, 3);
    Append(2, 2);
  }
  const SequenceNumber half = ledger().Live(1)[15].sequence;
  EXPECT_EQ(MarkDeleted(1, half), half);
  ExpectLogHoldsLedger();
  RestartEngine();
  ExpectLogHoldsLedger();
}

TEST_P(DeleteTest, MarkingIsIdempotentAndNeverGoesBack) {
  Append(1, 10);
  EXPECT_EQ(MarkDeleted(1, 6), 6u);
  EXPECT_EQ(MarkDeleted(1, 6), 6u);
  EXPECT_EQ(MarkDeleted(1, 3), 6u);
  EXPECT_EQ(MarkDeleted(1, 0), 6u);
  ExpectLogHoldsLedger();
  RestartEngine();
  EXPECT_EQ(MarkDeleted(1, 1), 6u);
  ExpectLogHoldsLedger();
}

TEST_P(DeleteTest, AMarkPastTheEndIsClampedToTheEnd) {
  Append(1, 4);
  Append(2, 4);
  EXPECT_EQ(MarkDeleted(1, kMaxSequenceNumber), 4u);
  ExpectLogHoldsLedger();
  Append(1, 2);  // not deleted by the earlier mark
  ExpectLogHoldsLedger();
  RestartEngine();
  ExpectLogHoldsLedger();
}

TEST_P(DeleteTest, AMarkOnAnUnknownTableIsZeroAndCreatesNothing) {
  Append(1, 1);
  EXPECT_EQ(*MarkTableAndWait(log(), 99, 50, std::nullopt), 0u);
  EXPECT_EQ(log().Describe().tables.size(), 1u);
  RestartEngine();
  EXPECT_EQ(log().Describe().tables.size(), 1u);
  ExpectLogHoldsLedger();
}

TEST_P(DeleteTest, HousekeepingTakesNothingThatIsLiveAndBringsNothingBack) {
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 20; ++i) {
      Append(1, 3);
      Append(2, 2);
    }
    MarkDeleted(1, ledger().Live(1)[10].sequence);
    MarkDeleted(2, kMaxSequenceNumber);
    for (int i = 0; i < 3; ++i) engine().KeepHouse();
    ExpectLogHoldsLedger();
    RestartEngine();
    engine().KeepHouse();
    ExpectLogHoldsLedger();
  }
}

TEST_P(DeleteTest, AMarkInAGapDeletesWhatIsBelowIt) {
  Append(1, 2);
  Append(2, 3);
  Append(1, 2);
  MarkDeleted(1, 4);  // segment engine: inside table 2's numbers
  ExpectLogHoldsLedger();
  RestartEngine();
  ExpectLogHoldsLedger();
}

TEST_P(DeleteTest, AMarkIsPerTableAndPerRegion) {
  auto other = OpenOwned(engine(), 8, options(), /*create=*/true);
  ASSERT_TRUE(other.ok()) << other.status();
  Ledger other_ledger;
  Batch batch;
  batch.payloads = Payloads(5);
  const BatchResult result = CommitOne(**other, batch);
  ASSERT_STATUS_OK(result.status);
  other_ledger.Appended(1, result, batch.payloads);
  Append(1, 5);
  Append(2, 5);
  MarkDeleted(1, 100);
  ExpectLogHoldsLedger();
  ExpectLogHoldsLedger(**other, other_ledger);
  ASSERT_STATUS_OK(CloseAndWait(**other));
  other->reset();
  RestartEngine();
  ExpectLogHoldsLedger();
  other = OpenOwned(engine(), 8, options(), /*create=*/false);
  ASSERT_TRUE(other.ok()) << other.status();
  ExpectLogHoldsLedger(**other, other_ledger);
}

TEST_P(DeleteTest, DeletingBufferedRecordsDeletesThem) {
  const BatchResult result = Append(1, 3, Durability::kBuffered);
  EXPECT_EQ(MarkDeleted(1, result.last), result.last);
  ExpectLogHoldsLedger();
  RestartEngine();
  ExpectLogHoldsLedger();
}

// Every order of a few steps, with a look after each: numbers rise through all of them.
TEST_P(DeleteTest, NumbersRiseOverWritesDeletesAndReopensInEveryOrder) {
  enum Step { kAppendOne, kDeleteAll, kReopen };
  constexpr int kSteps = 5;
  for (int code = 0; code < 243; ++code) {
    if (code != 0) {
      CloseLog();
      ASSERT_TRUE(*DropRegionAndWait(engine(), kRegion));
      ledger() = Ledger();
      OpenLog();
    }
    int rest = code;
    for (int i = 0; i < kSteps; ++i, rest /= 3) {
      switch (rest % 3) {
        case kAppendOne:
          Append(1, 1);
          break;
        case kDeleteAll:
          MarkDeleted(1, kMaxSequenceNumber);
          break;
        case kReopen:
          RestartEngine();
          break;
      }
      if (HasFailure()) FAIL() << "steps " << code << ", step " << i;
    }
    ExpectLogHoldsLedger();
    Append(1, 1);
    ExpectLogHoldsLedger();
    if (HasFailure()) FAIL() << "steps " << code;
    if (GetParam().medium == Medium::kRealFiles) code += 6;  // a sample: real syncs are slow
  }
}

TEST_P(DeleteTest, TwoTablesDeletedAtDifferentTimesKeepTheirOwnNumbers) {
  for (int round = 0; round < 6; ++round) {
    Append(1, 3);
    if (round % 2 == 0) Append(2, 2);
    MarkDeleted(1 + round % 2, kMaxSequenceNumber);
    RestartEngine();
    ExpectLogHoldsLedger();
  }
}

// The last mark of the list is not there yet when the first one is made.
TEST_P(DeleteTest, MarksOfManyTablesAreMadeTogetherAndAnsweredInTheirOrder) {
  constexpr TableId kTables = 100;
  std::vector<TableMark> marks;
  for (TableId table = kTables; table >= 1; --table) {
    Append(table, 3);
    if (table % 3 != 0) marks.push_back({table, ledger().Live(table)[1].sequence});
  }
  marks.push_back({kTables + 1, 5});         // never written
  marks.push_back({3, kMaxSequenceNumber});  // all of it
  marks.push_back({6, 0});                   // nothing
  const bool counts = GetParam().medium == Medium::kFaultFiles;
  const uint64_t changes = counts ? disk().changes() : 0;
  const auto made = MarkDeletedAndWait(log(), marks, std::nullopt);
  ASSERT_STATUS_OK(made.status());
  if (counts) {
    // Each for itself would take two changes or more. RocksDB compacts meanwhile.
    EXPECT_LT(disk().changes() - changes, kTables) << "they share a sync";
  }
  ASSERT_EQ(made->size(), marks.size());
  for (size_t i = 0; i < marks.size(); ++i) {
    const TableId table = marks[i].table;
    const SequenceNumber end = table > kTables ? 0 : ledger().Next(table) - 1;
    EXPECT_EQ((*made)[i], std::min(marks[i].through, end)) << "table " << table;
    if (table <= kTables) ledger().MarkedDeleted(table, (*made)[i]);
  }
  ExpectLogHoldsLedger();
  RestartEngine();
  ExpectLogHoldsLedger();
  const auto again = MarkDeletedAndWait(log(), marks, std::nullopt);
  ASSERT_STATUS_OK(again.status());
  EXPECT_EQ(*again, *made);
}

TEST_P(DeleteTest, MarksWithAnOldRegionVersionAreAllRefused) {
  Append(1, 2);
  Append(2, 2);
  ASSERT_STATUS_OK(MarkDeletedAndWait(log(), {}, 7).status());
  EXPECT_ERROR(MarkDeletedAndWait(log(), {{1, 1}, {2, 1}}, 6).status(), kFailedPrecondition,
               kFenced);
  RestartEngine();
  EXPECT_ERROR(MarkDeletedAndWait(log(), {{1, 1}, {2, 1}}, 6).status(), kFailedPrecondition,
               kFenced);
  ExpectLogHoldsLedger();
}

}  // namespace
}  // namespace walden::testing
