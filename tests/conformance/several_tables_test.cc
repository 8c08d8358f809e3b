// Batches over several tables of a region: all or nothing, with numbers for each table.
#include "base/error.h"
#include "tests/conformance/producer_fixture.h"

namespace walden::testing {
namespace {

class SeveralTablesTest : public ProducerTest {
 protected:
  // `count` new records for each of the tables.
  Batch Over(const std::vector<TableId>& tables, size_t count = 2) {
    Batch batch;
    batch.table = tables[0];
    batch.payloads = Payloads(count);
    for (size_t i = 1; i < tables.size(); ++i) {
      batch.more.push_back({.table = tables[i], .payloads = Payloads(count)});
    }
    return batch;
  }

  Batch Tagged(uint64_t producer, uint64_t sequence, Batch batch) {
    batch.producer = ProducerTag{producer, sequence};
    return batch;
  }

  BatchResult MustAppend(const Batch& batch) {
    BatchResult result = Try(batch);
    EXPECT_TRUE(result.status.ok()) << result.status;
    return result;
  }

  void ExpectRetryAnswersAllTables(const Batch& batch, const BatchResult& original) {
    ExpectRetryAnswers(batch, original);
    EXPECT_EQ(CommitOne(log(), batch).more, original.more);
  }

  void ExpectNothingStored(const std::vector<TableId>& new_tables) {
    ExpectLogHoldsLedger();
    for (const TableId table : new_tables) {
      EXPECT_EQ(log().Position(table).last, 0u) << "table " << table;
      EXPECT_FALSE(log().Position(table).kind) << "table " << table;
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, SeveralTablesTest, ::testing::ValuesIn(AllSettings()),
                         SettingName);

TEST_P(SeveralTablesTest, EachTableGetsItsRecordsWithItsOwnNumbers) {
  Append(2, 3);
  for (const Durability durability : {Durability::kSync, Durability::kBuffered}) {
    Batch batch = Over({2, 9, 4}, 1);
    batch.more[0].payloads = Payloads(3);
    batch.durability = durability;
    const BatchResult result = MustAppend(batch);
    ASSERT_EQ(result.more.size(), 2u);
    EXPECT_EQ(result.last, result.first);
    EXPECT_EQ(result.more[0].last, result.more[0].first + 2);
    EXPECT_EQ(result.more[1].last, result.more[1].first);
    ExpectLogHoldsLedger();
  }
  MustAppend(Over({4, 2}));
  MustAppend(Over({9}));
  ExpectLogHoldsLedger();
  RestartEngine();
  ExpectLogHoldsLedger();
}

TEST_P(SeveralTablesTest, BatchesOfAGroupMayShareTables) {
  const std::vector<Batch> group = {Over({1, 2}), Over({2, 3}), Over({3, 1, 2}), Over({2})};
  const std::vector<BatchResult> results = CommitGroup(log(), group);
  for (size_t i = 0; i < group.size(); ++i) {
    ASSERT_STATUS_OK(results[i].status);
    ledger().Appended(group[i], results[i]);
  }
  ExpectLogHoldsLedger();
  RestartEngine();
  ExpectLogHoldsLedger();
}

TEST_P(SeveralTablesTest, AMismatchInOneTableRefusesTheWholeBatch) {
  Append(1, 2);
  Append(2, 1);
  Batch batch = Over({1, 2, 3});
  batch.expected_next_sequence = ledger().Next(1);
  batch.more[0].expected_next_sequence = ledger().Next(2) + 5;
  const BatchResult refused = Try(batch);
  EXPECT_ERROR(refused.status, kAborted, kSequenceMismatch);
  EXPECT_EQ(ErrorValue(refused.status, "table_id"), "2");
  EXPECT_EQ(ErrorValue(refused.status, "value"), std::to_string(ledger().Next(2) + 5));
  EXPECT_EQ(ErrorValue(refused.status, "actual_next_sequence"), std::to_string(ledger().Next(2)));
  EXPECT_EQ(refused.first, 0u);
  EXPECT_EQ(refused.more, std::vector<PartResult>(2));
  ExpectNothingStored({3});
  batch.more[0].expected_next_sequence = ledger().Next(2);
  batch.more[1].expected_next_sequence = log().Position(3).next;
  MustAppend(batch);
  ExpectLogHoldsLedger();
}

TEST_P(SeveralTablesTest, ATableTwiceOrWithoutPayloadsRefusesTheBatch) {
  Batch twice = Over({3, 1, 3});
  EXPECT_ERROR(Try(twice).status, kInvalidArgument, kInvalidField);
  EXPECT_EQ(ErrorValue(Try(twice).status, "field"), "table_id");
  EXPECT_EQ(ErrorValue(Try(twice).status, "value"), "3");
  for (const size_t empty : {0, 1, 2}) {
    Batch batch = Over({1, 2, 3});
    (empty == 0 ? batch.payloads : batch.more[empty - 1].payloads).clear();
    EXPECT_ERROR(Try(batch).status, kInvalidArgument, kInvalidField);
    EXPECT_EQ(ErrorValue(Try(batch).status, "field"), "payloads");
  }
  ExpectNothingStored({1, 2, 3});
}

TEST_P(SeveralTablesTest, ABatchHasALimitedNumberOfTables) {
  std::vector<TableId> tables;
  for (TableId table = 1; table <= kMaxTablesPerBatch; ++table) tables.push_back(table);
  Batch batch = Over({1}, 1);
  batch.payloads = {"1"};
  for (const TableId table : tables) {
    if (table > 1) batch.more.push_back({.table = table, .payloads = {std::to_string(table)}});
  }
  MustAppend(batch);
  batch.more.push_back({.table = 1000, .payloads = {"one more"}});
  EXPECT_ERROR(Try(batch).status, kInvalidArgument, kLimitExceeded);
  ExpectNothingStored({1000});
}

TEST_P(SeveralTablesTest, AFencedBatchIsStoredInNoTable) {
  Batch newer = Over({1, 2});
  newer.region_version = 7;
  MustAppend(newer);
  Batch zombie = Over({1, 3});
  zombie.region_version = 6;
  EXPECT_ERROR(Try(zombie).status, kFailedPrecondition, kFenced);
  ExpectNothingStored({3});
}

TEST_P(SeveralTablesTest, ATableOfAnotherKindRefusesTheWholeBatch) {
  Append(1, 1);
  Batch entries = Over({5, 6});
  entries.kind = TableKind::kEntries;
  MustAppend(entries);
  for (const bool restarted : {false, true}) {
    SCOPED_TRACE(restarted);
    if (restarted) RestartEngine();
    Batch batch = Over({7, 1, 6});
    EXPECT_ERROR(Try(batch).status, kFailedPrecondition, kWrongTableKind);
    batch.kind = TableKind::kEntries;
    EXPECT_ERROR(Try(batch).status, kFailedPrecondition, kWrongTableKind);
    ExpectNothingStored({7});
    for (const TableId table : {5, 6}) {
      EXPECT_EQ(log().Position(table).kind, TableKind::kEntries) << "table " << table;
    }
  }
}

// --- Producers ---

TEST_P(SeveralTablesTest, ARetryIsAnsweredWithTheNumbersOfEveryTable) {
  const uint64_t producer = OpenProducer();
  std::vector<Batch> batches;
  std::vector<BatchResult> originals;
  for (uint64_t i = 1; i <= 4; ++i) {
    batches.push_back(Tagged(producer, i, Over({3, i, 10 + i})));
    if (i == 3) batches.back() = Tagged(producer, i, Over({1, 2, 9}));
    originals.push_back(MustAppend(batches.back()));
  }
  for (const bool restarted : {false, true}) {
    SCOPED_TRACE(restarted);
    if (restarted) RestartEngine();
    for (size_t i = 0; i < batches.size(); ++i) {
      ExpectRetryAnswersAllTables(batches[i], originals[i]);
    }
    ExpectLogHoldsLedger();
  }
}

TEST_P(SeveralTablesTest, TheOrderOfTheTablesDoesNotMatterToARetry) {
  const uint64_t producer = OpenProducer();
  const Batch batch = Tagged(producer, 1, Over({5, 3}));
  const BatchResult original = MustAppend(batch);
  Batch turned = batch;
  std::swap(turned.table, turned.more[0].table);
  std::swap(turned.payloads, turned.more[0].payloads);
  for (const bool restarted : {false, true}) {
    if (restarted) RestartEngine();
    const BatchResult retry = Try(turned);
    ASSERT_STATUS_OK(retry.status);
    EXPECT_TRUE(retry.duplicate);
    EXPECT_EQ((PartResult{retry.first, retry.last}), original.more[0]);
    EXPECT_EQ(retry.more[0], (PartResult{original.first, original.last}));
  }
}

TEST_P(SeveralTablesTest, ARetryWithOtherTablesOrCountsIsRefused) {
  const uint64_t producer = OpenProducer();
  const Batch batch = Tagged(producer, 1, Over({5, 3}));
  MustAppend(batch);
  std::vector<Batch> others(5, batch);
  others[0].more.clear();
  others[1].more[0].table = 4;
  others[2].more.push_back({.table = 4, .payloads = {"x"}});
  others[3].more[0].payloads.pop_back();
  others[3].payloads.push_back("x");
  others[4].payloads.clear();
  others[4].more.clear();
  for (const bool restarted : {false, true}) {
    if (restarted) RestartEngine();
    for (size_t i = 0; i < others.size(); ++i) {
      SCOPED_TRACE(i);
      EXPECT_ERROR(Try(others[i]).status, kInvalidArgument, kProducerBatchDiffers);
    }
  }
  EXPECT_EQ(ErrorValue(Try(others[1]).status, "field"), "table_id");
  EXPECT_EQ(ErrorValue(Try(others[1]).status, "stored"), "5, 3");
  EXPECT_EQ(ErrorValue(Try(others[3]).status, "field"), "payloads");
  ExpectNothingStored({4});
}

TEST_P(SeveralTablesTest, ARefusedBatchMayBeSentAgainUnderItsNumber) {
  const uint64_t producer = OpenProducer();
  Append(2, 1);
  Batch batch = Tagged(producer, 1, Over({1, 2}));
  batch.more[0].expected_next_sequence = 77;
  EXPECT_ERROR(Try(batch).status, kAborted, kSequenceMismatch);
  ExpectOutOfOrder(Try(Tagged(producer, 2, Over({1, 2}))).status, 1);
  batch.more[0].expected_next_sequence = ledger().Next(2);
  const BatchResult stored = MustAppend(batch);
  EXPECT_FALSE(stored.duplicate);
  ExpectRetryAnswersAllTables(batch, stored);
}

TEST_P(SeveralTablesTest, ARetryIsAnsweredAfterItsTablesWereMarkedDeleted) {
  const uint64_t producer = OpenProducer();
  const Batch batch = Tagged(producer, 1, Over({1, 2, 3}));
  const BatchResult original = MustAppend(batch);
  // Segments are filled, so that they can be removed once all is marked.
  for (int i = 0; i < 60; ++i) Append(1, 4);
  for (const TableId table : {2, 1, 3}) {
    SCOPED_TRACE(table);
    MarkDeleted(table, kMaxSequenceNumber);
    ExpectRetryAnswersAllTables(batch, original);
    RestartEngine();
    ExpectRetryAnswersAllTables(batch, original);
    ExpectLogHoldsLedger();
  }
}

}  // namespace
}  // namespace walden::testing
