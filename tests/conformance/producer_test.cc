// Producers: ids, retries of batches whose answer was lost, the order of batches.
#include "base/error.h"
#include "engine/wait.h"
#include "tests/conformance/producer_fixture.h"

namespace walden::testing {
namespace {

INSTANTIATE_TEST_SUITE_P(Engines, ProducerTest, ::testing::ValuesIn(AllSettings()), SettingName);

// --- Ids ---

TEST_P(ProducerTest, IdsRiseOverRestarts) {
  uint64_t last = 0;
  for (int i = 0; i < 6; ++i) {
    const uint64_t id = OpenProducer();
    EXPECT_GT(id, last);
    last = id;
    if (i % 2 == 1) RestartEngine();
  }
}

TEST_P(ProducerTest, IdsRiseThoughEveryRecordWasDeleted) {
  const uint64_t first = OpenProducer();
  for (uint64_t i = 1; i <= 60; ++i) ASSERT_STATUS_OK(Try(Tagged(first, i, 4)).status);
  MarkDeleted(1, kMaxSequenceNumber);
  RestartEngine();
  EXPECT_GT(OpenProducer(), first);
}

TEST_P(ProducerTest, IdsOfADroppedRegionAreNotIssuedAgain) {
  const uint64_t before = OpenProducer();
  ASSERT_STATUS_OK(Try(Tagged(before, 1)).status);
  CloseLog();
  ASSERT_STATUS_OK(DropRegionAndWait(engine(), kRegion).status());
  OpenLog();
  EXPECT_ERROR(CommitOne(log(), Tagged(before, 1)).status, kFailedPrecondition, kProducerForgotten);
  EXPECT_GT(OpenProducer(), before);
}

TEST_P(ProducerTest, AnIdThatWasNeverIssuedIsRefused) {
  const uint64_t id = OpenProducer();
  for (const bool after_restart : {false, true}) {
    if (after_restart) RestartEngine();
    for (const uint64_t other : {id - 1, id + 1, uint64_t{1}}) {
      for (const uint64_t sequence : {1, 2}) {
        EXPECT_ERROR(Try(Tagged(other, sequence)).status, kFailedPrecondition, kProducerForgotten);
      }
    }
  }
  ExpectLogHoldsLedger();
}

TEST_P(ProducerTest, AnIdThatSentNothingIsRememberedOverARestart) {
  const uint64_t id = OpenProducer();
  RestartEngine();
  ASSERT_STATUS_OK(Try(Tagged(id, 1)).status);
  ExpectLogHoldsLedger();
}

TEST_P(ProducerTest, OpeningAProducerIsFencedAndRemembersTheVersion) {
  ASSERT_STATUS_OK(OpenProducerAndWait(log(), 5).status());
  EXPECT_ERROR(OpenProducerAndWait(log(), 4).status(), kFailedPrecondition, kFenced);
  RestartEngine();
  EXPECT_EQ(log().Describe().region_version, 5u);
  EXPECT_ERROR(OpenProducerAndWait(log(), 4).status(), kFailedPrecondition, kFenced);
}

// --- Retries ---

TEST_P(ProducerTest, ARetryIsAnsweredWithTheOriginalNumbersAndStoresNothing) {
  const Batch batch = Tagged(OpenProducer(), 1);
  const BatchResult original = Try(batch);
  ASSERT_STATUS_OK(original.status);
  EXPECT_FALSE(original.duplicate);
  Append(1, 3);
  ExpectRetryAnswers(batch, original);
  ExpectLogHoldsLedger();
}

TEST_P(ProducerTest, ARetryIsRecognisedAfterARestart) {
  const Batch batch = Tagged(OpenProducer(), 1);
  const BatchResult original = Try(batch);
  Append(2, 3);
  RestartEngine();
  ExpectRetryAnswers(batch, original);
  RestartEngine();
  ExpectRetryAnswers(batch, original);
  ExpectLogHoldsLedger();
}

TEST_P(ProducerTest, ARetryIsRecognisedAfterItsBatchWasDeletedAndItsSegmentRemoved) {
  const Batch batch = Tagged(OpenProducer(), 1);
  const BatchResult original = Try(batch);
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

TEST_P(ProducerTest, ARetryIsRecognisedThoughSegmentsWereConfiguredSmallerSince) {
  set_segment_size(uint64_t{1} << 20);
  ReopenLog();
  Batch batch = Tagged(OpenProducer(), 1, 1);
  batch.payloads = {std::string(500'000, 'x')};
  const BatchResult original = Try(batch);
  ASSERT_STATUS_OK(original.status);
  set_segment_size(uint64_t{128} << 10);
  ReopenLog();
  ExpectRetryAnswers(batch, original);
  ExpectLogHoldsLedger();
}

TEST_P(ProducerTest, ARetryIsRecognisedInsideTheSameGroup) {
  const Batch batch = Tagged(OpenProducer(), 1);
  const auto results = CommitGroup(log(), {batch, batch});
  ASSERT_STATUS_OK(results[0].status);
  ASSERT_STATUS_OK(results[1].status);
  EXPECT_FALSE(results[0].duplicate);
  EXPECT_TRUE(results[1].duplicate);
  EXPECT_EQ(results[0].first, results[1].first);
  ledger().Appended(1, results[0], batch.payloads);
  ExpectLogHoldsLedger();
}

TEST_P(ProducerTest, TheSameNumberMeansAnotherBatchForAnotherProducer) {
  for (const uint64_t producer : {OpenProducer(), OpenProducer()}) {
    const BatchResult result = Try(Tagged(producer, 1));
    ASSERT_STATUS_OK(result.status);
    EXPECT_FALSE(result.duplicate);
  }
  ExpectLogHoldsLedger();
}

TEST_P(ProducerTest, ARetryIsAnsweredThoughItsComparedNumberHasPassed) {
  Batch batch = Tagged(OpenProducer(), 1);
  batch.expected_next_sequence = 1;
  const BatchResult original = Try(batch);
  ASSERT_STATUS_OK(original.status);
  ExpectRetryAnswers(batch, original);
}

TEST_P(ProducerTest, ARetryThatDiffersFromWhatIsStoredIsRefused) {
  const uint64_t producer = OpenProducer();
  const Batch batch = Tagged(producer, 1, 2);
  const BatchResult original = Try(batch);
  ASSERT_STATUS_OK(original.status);
  for (const bool after_restart : {false, true}) {
    if (after_restart) RestartEngine();
    Batch other = batch;
    other.table = 2;
    absl::Status refused = Try(other).status;
    EXPECT_ERROR(refused, kInvalidArgument, kProducerBatchDiffers);
    EXPECT_EQ(ErrorValue(refused, "producer_sequence"), "1");
    EXPECT_EQ(ErrorValue(refused, "field"), "table_id");
    other = batch;
    other.payloads.pop_back();
    refused = Try(other).status;
    EXPECT_ERROR(refused, kInvalidArgument, kProducerBatchDiffers);
    EXPECT_EQ(ErrorValue(refused, "field"), "payloads");
    EXPECT_EQ(ErrorValue(refused, "stored"), "2");
    refused = Try(PassingOver(producer, 1)).status;
    EXPECT_ERROR(refused, kInvalidArgument, kProducerBatchDiffers);
    EXPECT_EQ(ErrorValue(refused, "field"), "payloads");
    ExpectRetryAnswers(batch, original);
  }
  ExpectLogHoldsLedger();
}

TEST_P(ProducerTest, ManyProducersAreRememberedOverARestart) {
  std::vector<Batch> batches;
  std::vector<BatchResult> originals;
  for (int i = 0; i < 200; ++i) {
    batches.push_back(Buffered(Tagged(OpenProducer(), 1, 1, i % 7)));
    originals.push_back(Try(batches.back()));
    ASSERT_STATUS_OK(originals.back().status);
  }
  RestartEngine();
  for (size_t i = 0; i < batches.size(); ++i) ExpectRetryAnswers(batches[i], originals[i]);
  ExpectLogHoldsLedger();
}

TEST_P(ProducerTest, ABufferedRetryIsAnsweredAsDurableOnlyIfItIs) {
  Batch batch = Buffered(Tagged(OpenProducer(), 1));
  const BatchResult original = Try(batch);
  ASSERT_STATUS_OK(original.status);
  BatchResult retry = Try(batch);
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

// --- Order ---

TEST_P(ProducerTest, ANumberThatSkipsOneIsRefusedUntilTheOneBeforeIsStored) {
  const uint64_t producer = OpenProducer();
  ASSERT_STATUS_OK(Try(Tagged(producer, 1)).status);
  ExpectOutOfOrder(Try(Tagged(producer, 3)).status, 2);
  RestartEngine();
  ExpectOutOfOrder(Try(Tagged(producer, 3)).status, 2);
  ASSERT_STATUS_OK(Try(Tagged(producer, 2, 1, /*table=*/2)).status);
  ASSERT_STATUS_OK(Try(Tagged(producer, 3)).status);
  ExpectLogHoldsLedger();
}

TEST_P(ProducerTest, ARefusedBatchIsStoredInOrderWhenItIsSentAgain) {
  const uint64_t producer = OpenProducer();
  Batch batch = Tagged(producer, 1);
  batch.expected_next_sequence = 77;
  const std::vector<Batch> pipeline = {batch, Tagged(producer, 2), Tagged(producer, 3, 1, 2)};
  const auto refused = CommitGroup(log(), pipeline);
  EXPECT_ERROR(refused[0].status, kAborted, kSequenceMismatch);
  ExpectOutOfOrder(refused[1].status, 1);
  ExpectOutOfOrder(refused[2].status, 1);
  batch.expected_next_sequence = 1;
  for (const Batch& again : {batch, pipeline[1], pipeline[2]}) {
    const BatchResult result = Try(again);
    ASSERT_STATUS_OK(result.status);
    EXPECT_FALSE(result.duplicate);
  }
  ExpectLogHoldsLedger();
}

TEST_P(ProducerTest, OtherProducersOfTheGroupAreNotHeldUp) {
  const uint64_t refused = OpenProducer();
  const uint64_t other = OpenProducer();
  Batch bad = Tagged(refused, 1);
  bad.expected_next_sequence = 77;
  const std::vector<Batch> group = {bad, Tagged(other, 1), Tagged(refused, 2), Tagged(other, 2)};
  const auto results = CommitGroup(log(), group);
  for (const size_t i : {1, 3}) {
    ASSERT_STATUS_OK(results[i].status);
    ledger().Appended(1, results[i], group[i].payloads);
  }
  ExpectOutOfOrder(results[2].status, 1);
  ExpectLogHoldsLedger();
}

TEST_P(ProducerTest, ANumberIsPassedOverByABatchWithoutPayloads) {
  const uint64_t producer = OpenProducer();
  ASSERT_STATUS_OK(Try(Tagged(producer, 1)).status);
  const BatchResult passed = Try(PassingOver(producer, 2));
  ASSERT_STATUS_OK(passed.status);
  EXPECT_TRUE(passed.durable);
  EXPECT_FALSE(passed.duplicate);
  EXPECT_EQ(passed.first, 0u);
  EXPECT_EQ(passed.last, 0u);
  for (const bool after_restart : {false, true}) {
    if (after_restart) RestartEngine();
    ExpectRetryAnswers(PassingOver(producer, 2), passed);
    const absl::Status refused = Try(Tagged(producer, 2)).status;
    EXPECT_ERROR(refused, kInvalidArgument, kProducerBatchDiffers);
    EXPECT_EQ(ErrorValue(refused, "field"), "payloads");
    ExpectOutOfOrder(Try(Tagged(producer, 4)).status, 3);
  }
  ASSERT_STATUS_OK(Try(Tagged(producer, 3)).status);
  ExpectLogHoldsLedger();
}

TEST_P(ProducerTest, PassingOverTakesTheSameOrderAsBatches) {
  const uint64_t producer = OpenProducer();
  ExpectOutOfOrder(Try(PassingOver(producer, 2)).status, 1);
  const std::vector<Batch> group = {Tagged(producer, 1), PassingOver(producer, 2),
                                    Tagged(producer, 3, 1, /*table=*/2)};
  const auto results = CommitGroup(log(), group);
  for (const size_t i : {0, 1, 2}) ASSERT_STATUS_OK(results[i].status);
  ledger().Appended(1, results[0], group[0].payloads);
  ledger().Appended(2, results[2], group[2].payloads);
  ExpectLogHoldsLedger();
  RestartEngine();
  for (const size_t i : {0, 1, 2}) ExpectRetryAnswers(group[i], results[i]);
  ExpectLogHoldsLedger();
}

TEST_P(ProducerTest, PassingOverMakesNoTableAndComparesNothing) {
  Batch passing = PassingOver(OpenProducer(), 1);
  passing.table = 9;
  passing.expected_next_sequence = 77;
  ASSERT_STATUS_OK(Try(passing).status);
  EXPECT_TRUE(log().Describe().tables.empty());
  Append(9, 1);
  ExpectLogHoldsLedger();
}

TEST_P(ProducerTest, WithoutAProducerABatchNeedsPayloads) {
  EXPECT_ERROR(Try(Batch()).status, kInvalidArgument, kInvalidField);
}

TEST_P(ProducerTest, ManyNumbersPassedOverAreRememberedOverMarksAndRestarts) {
  const uint64_t producer = OpenProducer();
  uint64_t sequence = 0;
  for (int i = 0; i < 400; ++i) {
    ASSERT_STATUS_OK(Try(PassingOver(producer, ++sequence)).status);
    if (i % 50 == 0) ASSERT_STATUS_OK(Try(Tagged(producer, ++sequence, 8)).status);
  }
  MarkDeleted(1, kMaxSequenceNumber);
  for (const bool after_restart : {false, true}) {
    if (after_restart) RestartEngine();
    const BatchResult oldest = Try(PassingOver(producer, sequence - kProducerWindowBatches + 1));
    ASSERT_STATUS_OK(oldest.status);
    EXPECT_TRUE(oldest.duplicate);
    EXPECT_ERROR(Try(PassingOver(producer, sequence - kProducerWindowBatches)).status,
                 kFailedPrecondition, kProducerForgotten);
    ExpectOutOfOrder(Try(Tagged(producer, sequence + 2)).status, sequence + 1);
  }
  ExpectLogHoldsLedger();
}

}  // namespace
}  // namespace walden::testing
