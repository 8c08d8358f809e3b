// Taking in a log that was kept elsewhere: its numbers stay.
#include "base/error.h"
#include "engine/wait.h"
#include "tests/conformance/log_fixture.h"

namespace walden::testing {
namespace {

class RestoreTest : public LogTest {
 protected:
  BatchResult Restore(TableId table, SequenceNumber first, size_t count) {
    return Try({.table = table, .payloads = Payloads(count), .first_sequence = first});
  }

  void RestoreMark(TableId table, SequenceNumber through) {
    const absl::Status status = RestoreMarkAndWait(log(), table, through, TableKind::kLog);
    EXPECT_TRUE(status.ok()) << status;
    ledger().MarkedDeleted(table, through);
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, RestoreTest, ::testing::ValuesIn(AllSettings()), SettingName);

TEST_P(RestoreTest, TablesKeepTheirNumbersEvenWhenTheyAreTheSame) {
  for (const TableId table : {1, 2, 3}) {
    EXPECT_EQ(Restore(table, 1, 5).first, 1u);
    EXPECT_EQ(Restore(table, 6, 5).last, 10u);
  }
  ExpectLogHoldsLedger();
  RestartEngine();
  ExpectLogHoldsLedger();
}

TEST_P(RestoreTest, GapsStay) {
  Restore(1, 5, 2);
  Restore(1, 1000, 3);
  Restore(2, 7, 1);
  Restore(2, 900, 2);
  ExpectLogHoldsLedger();
  RestartEngine();
  ExpectLogHoldsLedger();
}

TEST_P(RestoreTest, AppendsGoOnBehindWhatWasRestored) {
  for (const TableId table : {1, 2, 3}) Restore(table, 10, 5);
  for (const TableId table : {3, 1, 2}) {
    EXPECT_GT(Append(table, 2).first, 14u);
  }
  ExpectLogHoldsLedger();
  RestartEngine();
  for (const TableId table : {2, 3, 1}) Append(table, 2);
  ExpectLogHoldsLedger();
}

TEST_P(RestoreTest, MarksAndNumbersOfDeletedRecordsStay) {
  RestoreMark(1, 40);
  RestoreMark(2, 7);
  Restore(2, 8, 4);
  RestoreMark(3, 12);
  ExpectLogHoldsLedger();
  RestartEngine();
  ExpectLogHoldsLedger();
  for (const TableId table : {1, 2, 3}) Append(table, 1);
  EXPECT_GT(ledger().Live(1).front().sequence, 40u);
  ExpectLogHoldsLedger();
}

TEST_P(RestoreTest, BoundsAndMarksCountInTheTablesOwnNumbers) {
  for (const TableId table : {1, 2}) {
    for (SequenceNumber first = 1; first < 50; first += 5) Restore(table, first, 5);
  }
  const auto read = ReadAll(log(), {.table = 2, .first = 20, .last = 29});
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->size(), 10u);
  EXPECT_EQ(read->front().sequence, 20u);
  EXPECT_EQ(MarkDeleted(2, 25), 25u);
  EXPECT_EQ(MarkDeleted(2, 3), 25u);
  ExpectLogHoldsLedger();
  RestartEngine();
  ExpectLogHoldsLedger();
  EXPECT_EQ(MarkDeleted(2, kMaxSequenceNumber), 50u);
  EXPECT_EQ(MarkDeleted(1, 49), 49u);
  ExpectLogHoldsLedger();
  RestartEngine();
  ExpectLogHoldsLedger();
}

TEST_P(RestoreTest, ConditionsAndRetriesCountInTheTablesOwnNumbers) {
  Restore(1, 1, 5);
  Restore(2, 1, 3);
  EXPECT_ERROR(Try({.table = 2, .payloads = Payloads(1), .expected_next_sequence = 9}).status,
               kAborted, kSequenceMismatch);
  const ProducerTag tag{.id = OpenProducer(), .sequence = 1};
  const Batch batch{
      .table = 2, .payloads = Payloads(2), .expected_next_sequence = 4, .producer = tag};
  const BatchResult first = Try(batch);
  ASSERT_TRUE(first.status.ok()) << first.status;
  RestartEngine();
  const BatchResult retried = CommitOne(log(), batch);
  EXPECT_TRUE(retried.duplicate);
  EXPECT_EQ(retried.first, first.first);
  EXPECT_EQ(retried.last, first.last);
}

TEST_P(RestoreTest, ANumberThatIsTakenIsRefused) {
  Restore(1, 10, 5);
  EXPECT_ERROR(Restore(1, 14, 1).status, kAborted, kSequenceMismatch);
  EXPECT_ERROR(Restore(1, kMaxSequenceNumber, 2).status, kInvalidArgument, kLimitExceeded);
  EXPECT_ERROR(RestoreMarkAndWait(log(), 1, 30, TableKind::kLog), kFailedPrecondition,
               kRestoreOutOfOrder);
  ExpectLogHoldsLedger();
}

TEST_P(RestoreTest, ARestoredMarkMayBeRestoredAgain) {
  RestoreMark(1, 40);
  RestoreMark(1, 40);
  RestartEngine();
  RestoreMark(1, 40);
  Restore(1, 41, 2);
  RestoreMark(1, 40);
  ExpectLogHoldsLedger();
}

TEST_P(RestoreTest, KindsAreRestored) {
  const std::vector<std::pair<TableId, SequenceNumber>> marks = {{1, 0}, {2, 5}};
  for (const auto& [table, mark] : marks) {
    ASSERT_STATUS_OK(RestoreMarkAndWait(log(), table, mark, TableKind::kEntries));
    RestartEngine();
    EXPECT_ERROR(Try({.table = table, .payloads = {"a"}, .first_sequence = 6}).status,
                 kFailedPrecondition, kWrongTableKind);
    EXPECT_TRUE(
        Try({.table = table, .payloads = {"a"}, .first_sequence = 6, .kind = TableKind::kEntries})
            .status.ok());
  }
}

TEST_P(RestoreTest, NumbersThatAreUsedUpAreRefusedAndNeverBeginAgain) {
  RestoreMark(1, kMaxSequenceNumber - 2);
  Restore(1, kMaxSequenceNumber - 1, 1);
  const auto try_append = [&](TableId table, size_t count, Durability durability) {
    return Try({.table = table, .payloads = Payloads(count), .durability = durability}).status;
  };
  EXPECT_ERROR(try_append(1, 2, Durability::kSync), kInvalidArgument, kLimitExceeded);
  ASSERT_STATUS_OK(try_append(1, 1, Durability::kBuffered));
  EXPECT_ERROR(try_append(1, 1, Durability::kBuffered), kInvalidArgument, kLimitExceeded);
  ExpectLogHoldsLedger();
  RestartEngine();
  EXPECT_ERROR(try_append(1, 1, Durability::kSync), kInvalidArgument, kLimitExceeded);
  ExpectLogHoldsLedger();
}

TEST_P(RestoreTest, AnEntryTableBelowOthersStaysOne) {
  Restore(1, 100, 5);
  ASSERT_STATUS_OK(
      Try({.table = 2, .payloads = Payloads(1), .first_sequence = 3, .kind = TableKind::kEntries})
          .status);
  RestartEngine();
  EXPECT_EQ(log().Position(2).kind, TableKind::kEntries);
  ExpectLogHoldsLedger();
}

TEST_P(RestoreTest, NumbersOfLostRecordsAreNotGivenOutAgain) {
  RestoreMark(1, 4);
  Restore(1, 5, 3);
  ASSERT_STATUS_OK(RestoreNextAndWait(log(), 1, 1000));
  Restore(2, 1, 3);
  ASSERT_STATUS_OK(RestoreNextAndWait(log(), 2, 50));
  ASSERT_STATUS_OK(RestoreNextAndWait(log(), 2, 20));  // never lowered
  ExpectLogHoldsLedger();
  for (int restarts = 0; restarts < 2; ++restarts) {
    EXPECT_GE(log().NextNumber(1), 1000u);
    EXPECT_GE(log().NextNumber(2), 50u);
    RestartEngine();
  }
  EXPECT_GE(Append(1, 1).first, 1000u);
  EXPECT_GE(Append(2, 1).first, 50u);
  ExpectLogHoldsLedger();
}

class RestoreCrashTest : public RestoreTest {};
INSTANTIATE_TEST_SUITE_P(Engines, RestoreCrashTest, ::testing::ValuesIn(CrashSettings()),
                         SettingName);

TEST_P(RestoreCrashTest, WhatWasRestoredSurvivesAPowerCutAndGoesOnWhereItStopped) {
  RestoreMark(1, 100);
  Restore(1, 120, 3);
  Restore(2, 1, 3);
  machine().PowerCut();
  CrashAndReopen();
  ExpectLogHoldsLedger();
  Restore(2, 4, 3);
  RestoreMark(3, 2);
  Restore(3, 3, 3);
  machine().PowerCut();
  CrashAndReopen();
  ExpectLogHoldsLedger();
}

}  // namespace
}  // namespace walden::testing
