// Retries of batches whose answer was lost, and fencing of old writers.
#include "engine/error.h"
#include "tests/conformance/log_fixture.h"

namespace walden::testing {
namespace {

class ProducerTest : public LogTest {
 protected:
  Batch Tagged(uint64_t producer, uint64_t sequence, size_t count = 2, TableId table = 1) {
    Batch batch;
    batch.table = table;
    batch.payloads = Payloads(count);
    batch.producer = ProducerTag{producer, sequence};
    return batch;
  }

  void ExpectRetryAnswers(const Batch& batch, const AppendResult& original) {
    const AppendResult retry = Try(batch);
    ASSERT_STATUS_OK(retry.status);
    EXPECT_TRUE(retry.duplicate);
    EXPECT_TRUE(retry.durable);
    EXPECT_EQ(retry.first, original.first);
    EXPECT_EQ(retry.last, original.last);
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, ProducerTest, ::testing::ValuesIn(AllSettings()), SettingName);

TEST_P(ProducerTest, ARetryIsAnsweredWithTheOriginalNumbersAndStoresNothing) {
  const Batch batch = Tagged(5, 1);
  const AppendResult original = Try(batch);
  ASSERT_STATUS_OK(original.status);
  EXPECT_FALSE(original.duplicate);
  Append(1, 3);
  ExpectRetryAnswers(batch, original);
  ExpectLogHoldsLedger();
}

TEST_P(ProducerTest, ARetryIsRecognisedAfterARestart) {
  const Batch batch = Tagged(5, 1);
  const AppendResult original = Try(batch);
  Append(2, 3);
  RestartEngine();
  ExpectRetryAnswers(batch, original);
  RestartEngine();
  ExpectRetryAnswers(batch, original);
  ExpectLogHoldsLedger();
}

TEST_P(ProducerTest, ARetryIsRecognisedAfterItsBatchWasDeletedAndItsSegmentRemoved) {
  const Batch batch = Tagged(5, 1);
  const AppendResult original = Try(batch);
  for (int i = 0; i < 60; ++i) Append(1, 4);  // large load: several segments
  MarkDeleted(1, ledger().Next(1) - 2);
  ExpectRetryAnswers(batch, original);
  RestartEngine();
  ExpectRetryAnswers(batch, original);
  MarkDeleted(1, kMaxSequenceNumber);
  RestartEngine();
  ExpectRetryAnswers(batch, original);
  ExpectLogHoldsLedger();
}

TEST_P(ProducerTest, ARetryIsRecognisedInsideTheSameGroup) {
  const Batch batch = Tagged(5, 1);
  const auto results = CommitGroup(log(), {batch, batch});
  ASSERT_STATUS_OK(results[0].status);
  ASSERT_STATUS_OK(results[1].status);
  EXPECT_FALSE(results[0].duplicate);
  EXPECT_TRUE(results[1].duplicate);
  EXPECT_EQ(results[0].first, results[1].first);
  ledger().Appended(1, results[0], batch.payloads);
  ExpectLogHoldsLedger();
}

TEST_P(ProducerTest, TheSameTagMeansAnotherBatchForAnotherProducerOrTable) {
  for (const uint64_t producer : {5, 6}) {
    for (const TableId table : {1, 2}) {
      const AppendResult result = Try(Tagged(producer, 1, 2, table));
      ASSERT_STATUS_OK(result.status);
      EXPECT_FALSE(result.duplicate);
    }
  }
  ExpectLogHoldsLedger();
}

TEST_P(ProducerTest, EveryBatchOfTheWindowIsRecognisedAndOlderOnesAreRefused) {
  const uint64_t total = kProducerWindowBatches + 20;
  std::vector<Batch> batches;
  std::vector<AppendResult> originals;
  for (uint64_t i = 1; i <= total; ++i) {
    batches.push_back(Tagged(5, i * 3, 1));  // rising, with gaps
    batches.back().durability = Durability::kBuffered;
    originals.push_back(Try(batches.back()));
    ASSERT_STATUS_OK(originals.back().status);
  }
  ASSERT_STATUS_OK(log().Sync());
  for (const bool after_restart : {false, true}) {
    if (after_restart) RestartEngine();
    for (uint64_t i = 0; i < total; ++i) {
      if (i < total - kProducerWindowBatches) {
        EXPECT_ERROR(Try(batches[i]).status, kFailedPrecondition, kProducerSequenceReplaced);
      } else {
        ExpectRetryAnswers(batches[i], originals[i]);
      }
      if (HasFailure()) FAIL() << "batch " << i << ", after restart: " << after_restart;
    }
  }
  ExpectLogHoldsLedger();
}

TEST_P(ProducerTest, ANumberThatWasSkippedIsNotATicketToAppendOutOfOrder) {
  ASSERT_STATUS_OK(Try(Tagged(5, 1)).status);
  ASSERT_STATUS_OK(Try(Tagged(5, 10)).status);
  EXPECT_ERROR(Try(Tagged(5, 7)).status, kFailedPrecondition, kProducerSequenceReplaced);
  ExpectLogHoldsLedger();
}

TEST_P(ProducerTest, ARefusedBatchLeavesItsTagUnused) {
  Batch batch = Tagged(5, 1);
  batch.expected_next_sequence = 77;
  EXPECT_ERROR(Try(batch).status, kAborted, kSequenceMismatch);
  batch.expected_next_sequence = 1;
  const AppendResult result = Try(batch);
  ASSERT_STATUS_OK(result.status);
  EXPECT_FALSE(result.duplicate);
  ExpectLogHoldsLedger();
}

TEST_P(ProducerTest, ARetryIsAnsweredThoughItsComparedNumberHasPassed) {
  Batch batch = Tagged(5, 1);
  batch.expected_next_sequence = 1;
  const AppendResult original = Try(batch);
  ASSERT_STATUS_OK(original.status);
  ExpectRetryAnswers(batch, original);
}

TEST_P(ProducerTest, ManyProducersAreRememberedOverARestart) {
  std::vector<Batch> batches;
  std::vector<AppendResult> originals;
  for (uint64_t producer = 1; producer <= 200; ++producer) {
    batches.push_back(Tagged(producer, 9, 1, producer % 7));
    batches.back().durability = Durability::kBuffered;
    originals.push_back(Try(batches.back()));
    ASSERT_STATUS_OK(originals.back().status);
  }
  RestartEngine();
  for (size_t i = 0; i < batches.size(); ++i) ExpectRetryAnswers(batches[i], originals[i]);
  ExpectLogHoldsLedger();
}

TEST_P(ProducerTest, ABufferedRetryIsAnsweredAsDurableOnlyIfItIs) {
  Batch batch = Tagged(5, 1);
  batch.durability = Durability::kBuffered;
  const AppendResult original = Try(batch);
  ASSERT_STATUS_OK(original.status);
  AppendResult retry = Try(batch);
  EXPECT_TRUE(retry.duplicate);
  if (log().HasUnsynced()) {
    EXPECT_FALSE(retry.durable);
  }
  batch.durability = Durability::kSync;
  retry = Try(batch);
  ASSERT_STATUS_OK(retry.status);
  EXPECT_TRUE(retry.duplicate);
  EXPECT_TRUE(retry.durable) << "SYNC is answered after the records are durable, a retry too";
  EXPECT_FALSE(log().HasUnsynced());
}

// --- Fencing ---

TEST_P(ProducerTest, ALowerRegionVersionIsFencedAndTheHighestIsRemembered) {
  Batch batch;
  batch.payloads = Payloads(1);
  batch.region_version = 5;
  ASSERT_STATUS_OK(Try(batch).status);
  batch.region_version = 5;
  ASSERT_STATUS_OK(Try(batch).status);
  batch.region_version = 4;
  const AppendResult fenced = Try(batch);
  EXPECT_ERROR(fenced.status, kFailedPrecondition, kFenced);
  EXPECT_EQ(ErrorValue(fenced.status, "highest_region_version"), "5");
  batch.region_version = std::nullopt;
  ASSERT_STATUS_OK(Try(batch).status);
  EXPECT_EQ(log().Describe().region_version, 5u);
  RestartEngine();
  EXPECT_EQ(log().Describe().region_version, 5u);
  batch.region_version = 4;
  EXPECT_ERROR(Try(batch).status, kFailedPrecondition, kFenced);
  batch.region_version = 6;
  ASSERT_STATUS_OK(Try(batch).status);
  ExpectLogHoldsLedger();
}

TEST_P(ProducerTest, AFencedWriterCannotMarkDeleted) {
  Append(1, 5);
  ASSERT_TRUE(log().MarkDeleted(1, 1, 9).ok());
  ledger().MarkedDeleted(1, 1);
  EXPECT_ERROR(log().MarkDeleted(1, 5, 8).status(), kFailedPrecondition, kFenced);
  ExpectLogHoldsLedger();
  RestartEngine();
  EXPECT_ERROR(log().MarkDeleted(1, 5, 8).status(), kFailedPrecondition, kFenced);
  EXPECT_EQ(log().Describe().region_version, 9u);
  ExpectLogHoldsLedger();
}

TEST_P(ProducerTest, AVersionInAGroupFencesTheBatchesBehindIt) {
  std::vector<Batch> group(3);
  for (Batch& batch : group) batch.payloads = Payloads(1);
  group[0].region_version = 2;
  group[1].region_version = 3;
  group[2].region_version = 2;
  const auto results = CommitGroup(log(), group);
  ASSERT_STATUS_OK(results[0].status);
  ASSERT_STATUS_OK(results[1].status);
  EXPECT_ERROR(results[2].status, kFailedPrecondition, kFenced);
}

TEST_P(ProducerTest, AFencedRetryIsFenced) {
  Batch batch = Tagged(5, 1);
  batch.region_version = 1;
  ASSERT_STATUS_OK(Try(batch).status);
  Batch newer;
  newer.payloads = Payloads(1);
  newer.region_version = 2;
  ASSERT_STATUS_OK(Try(newer).status);
  EXPECT_ERROR(Try(batch).status, kFailedPrecondition, kFenced);
}

}  // namespace
}  // namespace walden::testing
