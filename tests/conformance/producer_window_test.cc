// How far back the batches of producers, and producers themselves, are remembered.
#include <vector>

#include "base/error.h"
#include "engine/wait.h"
#include "tests/conformance/producer_fixture.h"

namespace walden::testing {
namespace {

class ProducerWindowTest : public ProducerTest {
 protected:
  // The last `remembered` batches are answered as retries, all before them as forgotten, also after a
  // restart.
  void ExpectRemembered(const std::vector<Batch>& batches,
                        const std::vector<BatchResult>& originals, uint64_t remembered) {
    for (const bool after_restart : {false, true}) {
      if (after_restart) RestartEngine();
      for (uint64_t i = 0; i < batches.size(); ++i) {
        if (i < batches.size() - remembered) {
          EXPECT_ERROR(Try(batches[i]).status, kFailedPrecondition, kProducerForgotten);
        } else {
          ExpectRetryAnswers(batches[i], originals[i]);
        }
        if (HasFailure()) FAIL() << "batch " << i << ", after restart: " << after_restart;
      }
    }
    ExpectLogHoldsLedger();
  }
};

INSTANTIATE_TEST_SUITE_P(Engines, ProducerWindowTest, ::testing::ValuesIn(AllSettings()),
                         SettingName);

TEST_P(ProducerWindowTest, TheWindowCountsBatchesWhateverTablesTheyGoTo) {
  const uint64_t producer = OpenProducer();
  const uint64_t total = kProducerWindowBatches + 20;
  std::vector<Batch> batches;
  std::vector<BatchResult> originals;
  for (uint64_t i = 1; i <= total; ++i) {
    batches.push_back(Buffered(Tagged(producer, i, 1, /*table=*/1 + i % 50)));
    originals.push_back(Try(batches.back()));
    ASSERT_STATUS_OK(originals.back().status);
  }
  ASSERT_STATUS_OK(SyncAndWait(log()));
  ExpectRemembered(batches, originals, kProducerWindowBatches);
}

TEST_P(ProducerWindowTest, TheWindowOfBatchesWithManyTablesIsBoundedByTheirTables) {
  const uint64_t producer = OpenProducer();
  constexpr uint64_t kRemembered = kProducerWindowTables / kMaxTablesPerBatch;
  constexpr uint64_t kSent = kRemembered + 3;
  std::vector<Batch> batches;
  std::vector<BatchResult> originals;
  for (uint64_t i = 1; i <= kSent; ++i) {
    Batch batch = Tagged(producer, i, 1, /*table=*/1);
    for (TableId table = 2; table <= kMaxTablesPerBatch; ++table) {
      batch.more.push_back({.table = table, .payloads = {"x"}});
    }
    batches.push_back(batch);
    originals.push_back(Try(batch));
    ASSERT_STATUS_OK(originals.back().status);
  }
  ExpectRemembered(batches, originals, kRemembered);
}

// Memory was once counted in tables: the first batch was forgotten, and stored a second time.
TEST_P(ProducerWindowTest, OneProducerOfMoreTablesThanThereMayBeProducersIsNeverStoredTwice) {
  const uint64_t producer = OpenProducer();
  const uint64_t tables = kMaxProducersPerRegion + 76;
  const Batch first = Buffered(Tagged(producer, 1, 1, /*table=*/1));
  ASSERT_STATUS_OK(Try(first).status);
  for (uint64_t i = 2; i <= tables; ++i) {
    ASSERT_STATUS_OK(Try(Buffered(Tagged(producer, i, 1, /*table=*/i))).status);
  }
  EXPECT_ERROR(Try(first).status, kFailedPrecondition, kProducerForgotten);
  RestartEngine();
  EXPECT_ERROR(Try(first).status, kFailedPrecondition, kProducerForgotten);
  ExpectLogHoldsLedger();
}

TEST_P(ProducerWindowTest, TheLeastRecentlyActiveProducerIsForgottenForGood) {
  std::vector<uint64_t> ids;
  for (size_t i = 0; i < kMaxProducersPerRegion; ++i) ids.push_back(OpenProducer());
  const auto batch = [&](size_t i) { return Buffered(Tagged(ids[i], 1, 1)); };
  std::vector<Batch> batches(ids.size());
  std::vector<BatchResult> originals(ids.size());
  // In another order than they were issued; ids[2] and ids[9] have sent nothing.
  for (const size_t i : {5, 0, 1, 4, 3, 7, 6, 8}) {
    batches[i] = batch(i);
    originals[i] = Try(batches[i]);
    ASSERT_STATUS_OK(originals[i].status);
  }
  RestartEngine();
  const auto is_forgotten = [&](size_t i) {
    const BatchResult result = CommitOne(log(), Tagged(ids[i], 3));
    EXPECT_FALSE(result.status.ok());
    return HasReason(result.status, ErrorReason::kProducerForgotten);
  };
  OpenProducer();
  EXPECT_TRUE(is_forgotten(2));
  EXPECT_FALSE(is_forgotten(9));
  // Those that sent nothing are older than those that did.
  for (size_t i = 9; i < kMaxProducersPerRegion; ++i) OpenProducer();
  RestartEngine();
  for (size_t i = 0; i < 9; ++i) EXPECT_EQ(is_forgotten(i), i == 2) << i;
  for (size_t i = 9; i < kMaxProducersPerRegion; ++i) EXPECT_TRUE(is_forgotten(i)) << i;
  OpenProducer();
  OpenProducer();
  for (const bool after_restart : {false, true}) {
    if (after_restart) RestartEngine();
    for (const size_t i : {5, 0}) {
      for (const uint64_t sequence : {1, 2}) {
        EXPECT_ERROR(Try(Tagged(ids[i], sequence, 1)).status, kFailedPrecondition,
                     kProducerForgotten);
      }
    }
    for (const size_t i : {1, 4, 3, 7, 6, 8}) {
      const BatchResult retry = Try(batches[i]);
      ASSERT_STATUS_OK(retry.status);
      EXPECT_TRUE(retry.duplicate);
      EXPECT_EQ(retry.first, originals[i].first);
    }
  }
  ExpectLogHoldsLedger();
}

// The log still holds its batches, and a mark then takes them away.
TEST_P(ProducerWindowTest, AForgottenIdStaysForgottenWhateverTheLogHolds) {
  const uint64_t forgotten = OpenProducer();
  const Batch first = Tagged(forgotten, 1, 1);
  ASSERT_STATUS_OK(Try(first).status);
  for (size_t i = 0; i < kMaxProducersPerRegion; ++i) OpenProducer();
  const auto expect_forgotten = [&] {
    EXPECT_ERROR(Try(first).status, kFailedPrecondition, kProducerForgotten);
    EXPECT_ERROR(Try(Tagged(forgotten, 2)).status, kFailedPrecondition, kProducerForgotten);
  };
  expect_forgotten();
  RestartEngine();
  expect_forgotten();
  for (int i = 0; i < 60; ++i) Append(1, 4);
  MarkDeleted(1, kMaxSequenceNumber);
  expect_forgotten();
  RestartEngine();
  expect_forgotten();
  ExpectLogHoldsLedger();
}

}  // namespace
}  // namespace walden::testing
