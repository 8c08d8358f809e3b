// Appending: numbers, batches, groups, compare-and-append.
#include <limits>

#include "base/error.h"
#include "engine/wait.h"
#include "tests/conformance/log_fixture.h"

namespace walden::testing {
namespace {

class AppendTest : public LogTest {};
INSTANTIATE_TEST_SUITE_P(Engines, AppendTest, ::testing::ValuesIn(AllSettings()), SettingName);

TEST_P(AppendTest, TheFirstNumberOfATableIsOne) {
  const BatchResult result = Append(1, 1);
  EXPECT_EQ(result.first, 1u);
  EXPECT_EQ(result.last, 1u);
  ExpectLogHoldsLedger();
}

TEST_P(AppendTest, ABatchHasContiguousNumbersAndComesBackByteForByte) {
  for (size_t count : {1, 2, 5, 9}) Append(1, count);
  ExpectLogHoldsLedger();
}

TEST_P(AppendTest, NumbersOfManyTablesRiseInEach) {
  for (int round = 0; round < 10; ++round) {
    for (TableId table = 1; table <= 5; ++table) Append(table, 1 + (round + table) % 4);
  }
  ExpectLogHoldsLedger();
}

TEST_P(AppendTest, AnEmptyPayloadIsARecord) {
  Batch batch;
  batch.payloads = {""};
  ASSERT_STATUS_OK(Try(batch).status);
  batch.payloads = {"", Payload(1), "", ""};
  ASSERT_STATUS_OK(Try(batch).status);
  ExpectLogHoldsLedger();
  RestartEngine();
  ExpectLogHoldsLedger();
}

TEST_P(AppendTest, PayloadsOfZeroBytesComeBack) {
  Batch batch;
  batch.payloads = {std::string(1, '\0'), std::string(600, '\0'), std::string(5000, '\0'), "end"};
  ASSERT_STATUS_OK(Try(batch).status);
  ExpectLogHoldsLedger();
  RestartEngine();
  ExpectLogHoldsLedger();
}

TEST_P(AppendTest, PayloadsOfEverySizeAroundSectorsAndPagesComeBack) {
  for (size_t edge : {512, 1024, 4096, 8192}) {
    for (size_t size = edge - 40; size <= edge + 10; size += 7) {
      Batch batch;
      batch.payloads = {std::string(size, 'x'), std::string(size % 17, 'y')};
      ASSERT_STATUS_OK(Try(batch).status);
    }
  }
  ExpectLogHoldsLedger();
  RestartEngine();
  ExpectLogHoldsLedger();
}

TEST_P(AppendTest, ExtremeIdsWork) {
  for (const TableId table : {TableId{0}, TableId{1}, std::numeric_limits<TableId>::max()}) {
    Append(table, 2);
  }
  ExpectLogHoldsLedger();
  RestartEngine();
  ExpectLogHoldsLedger();
}

TEST_P(AppendTest, ABatchWithoutPayloadsIsRefused) {
  EXPECT_EQ(Try(Batch{}).status.code(), absl::StatusCode::kInvalidArgument);
  ASSERT_STATUS_OK(log().Health());
  EXPECT_TRUE(log().Describe().tables.empty());
  Append(1, 1);
  ExpectLogHoldsLedger();
}

TEST_P(AppendTest, AGroupOfManyBatchesIsAnsweredOneByOneInOrder) {
  std::vector<Batch> group;
  for (int i = 0; i < 50; ++i) {
    Batch batch;
    batch.table = 1 + i % 3;
    batch.payloads = Payloads(1 + i % 4);
    group.push_back(batch);
  }
  const std::vector<BatchResult> results = CommitGroup(log(), group);
  for (size_t i = 0; i < group.size(); ++i) {
    ASSERT_STATUS_OK(results[i].status);
    EXPECT_TRUE(results[i].durable);
    ledger().Appended(group[i].table, results[i], group[i].payloads);
  }
  ExpectLogHoldsLedger();
  RestartEngine();
  ExpectLogHoldsLedger();
}

TEST_P(AppendTest, AnEmptyGroupIsAnswered) {
  EXPECT_TRUE(CommitGroup(log(), {}).empty());
  Append(1, 1);
  ExpectLogHoldsLedger();
}

TEST_P(AppendTest, OneSyncBatchMakesTheWholeGroupDurable) {
  Batch buffered;
  buffered.durability = Durability::kBuffered;
  Batch sync;
  std::vector<Batch> group = {buffered, sync, buffered};
  for (Batch& batch : group) batch.payloads = Payloads(2);
  const auto results = CommitGroup(log(), group);
  for (size_t i = 0; i < group.size(); ++i) {
    ASSERT_STATUS_OK(results[i].status);
    EXPECT_TRUE(results[i].durable) << "batch " << i;
    ledger().Appended(1, results[i], group[i].payloads);
  }
  EXPECT_FALSE(log().HasUnsynced());
  ExpectLogHoldsLedger();
}

TEST_P(AppendTest, SyncMakesBufferedAppendsDurable) {
  Append(1, 1, Durability::kBuffered);
  ASSERT_STATUS_OK(SyncAndWait(log()));
  EXPECT_FALSE(log().HasUnsynced());
  ExpectLogHoldsLedger();
}

TEST_P(AppendTest, BufferedAppendsAreFlushedEveryTenWrites) {
  int durable = 0;
  for (int i = 0; i < 40; ++i) durable += Append(1, 1, Durability::kBuffered).durable ? 1 : 0;
  EXPECT_GE(durable, 3);
  ExpectLogHoldsLedger();
}

TEST_P(AppendTest, ARefusedBatchLeavesTheOthersOfItsGroup) {
  Append(1, 3);
  std::vector<Batch> group(5);
  for (size_t i = 0; i < group.size(); ++i) {
    group[i].table = 1 + i % 2;
    group[i].payloads = Payloads(2);
  }
  group[1].payloads.clear();               // INVALID_ARGUMENT
  group[2].expected_next_sequence = 1000;  // ABORTED
  const auto results = CommitGroup(log(), group);
  EXPECT_EQ(results[1].status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_ERROR(results[2].status, kAborted, kSequenceMismatch);
  for (size_t i : {0, 3, 4}) {
    ASSERT_STATUS_OK(results[i].status);
    ledger().Appended(group[i].table, results[i], group[i].payloads);
  }
  ExpectLogHoldsLedger();
  RestartEngine();
  ExpectLogHoldsLedger();
}

TEST_P(AppendTest, AGroupOfRefusedBatchesOnlyStoresNothing) {
  Batch batch;
  batch.payloads = Payloads(1);
  batch.expected_next_sequence = 5;
  for (const BatchResult& result : CommitGroup(log(), {batch, batch})) {
    EXPECT_ERROR(result.status, kAborted, kSequenceMismatch);
  }
  EXPECT_TRUE(log().Describe().tables.empty());
}

// --- Compare-and-append ---

TEST_P(AppendTest, CompareAndAppendWinsWithTheActualNextNumberOnly) {
  Batch batch;
  batch.payloads = Payloads(2);
  batch.expected_next_sequence = 1;
  ASSERT_STATUS_OK(Try(batch).status);
  Append(2, 3);  // another table's appends do not disturb it
  const BatchResult lost = Try(batch);
  EXPECT_ERROR(lost.status, kAborted, kSequenceMismatch);
  EXPECT_EQ(ErrorValue(lost.status, "actual_next_sequence"), std::to_string(ledger().Next(1)));
  batch.expected_next_sequence = ledger().Next(1);
  ASSERT_STATUS_OK(Try(batch).status);
  ExpectLogHoldsLedger();
  RestartEngine();
  EXPECT_ERROR(Try(batch).status, kAborted, kSequenceMismatch);
  batch.expected_next_sequence = ledger().Next(1);
  ASSERT_STATUS_OK(Try(batch).status);
  ExpectLogHoldsLedger();
}

TEST_P(AppendTest, OfTwoComparesInOneGroupTheFirstWins) {
  Batch batch;
  batch.payloads = Payloads(1);
  batch.expected_next_sequence = 1;
  const auto results = CommitGroup(log(), {batch, batch});
  ASSERT_STATUS_OK(results[0].status);
  EXPECT_ERROR(results[1].status, kAborted, kSequenceMismatch);
  ledger().Appended(1, results[0], batch.payloads);
  ExpectLogHoldsLedger();
}

TEST_P(AppendTest, CompareAndAppendSeesNumbersOfDeletedRecords) {
  const BatchResult appended = Append(1, 3);
  MarkDeleted(1, appended.last);
  RestartEngine();
  Batch batch;
  batch.payloads = Payloads(1);
  batch.expected_next_sequence = 1;
  EXPECT_ERROR(Try(batch).status, kAborted, kSequenceMismatch);
  batch.expected_next_sequence = appended.last + 1;
  ASSERT_STATUS_OK(Try(batch).status);
  ExpectLogHoldsLedger();
}

}  // namespace
}  // namespace walden::testing
