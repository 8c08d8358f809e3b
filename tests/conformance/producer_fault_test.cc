// Producers over power cuts and failed writes.
#include "base/error.h"
#include "tests/conformance/producer_fixture.h"

namespace walden::testing {
namespace {

class ProducerFaultTest : public ProducerTest {};
INSTANTIATE_TEST_SUITE_P(Engines, ProducerFaultTest, ::testing::ValuesIn(CrashSettings()),
                         SettingName);

class ProducerWriteFaultTest : public ProducerTest {};
INSTANTIATE_TEST_SUITE_P(Engines, ProducerWriteFaultTest, ::testing::ValuesIn(FaultFileSettings()),
                         SettingName);

TEST_P(ProducerFaultTest, WhatWasIssuedPassedOverAndForgottenSurvivesAPowerCut) {
  const uint64_t forgotten = OpenProducer();
  ASSERT_STATUS_OK(Try(Tagged(forgotten, 1)).status);
  const uint64_t kept = OpenProducer();
  for (size_t i = 2; i < kMaxProducersPerRegion; ++i) OpenProducer();
  ASSERT_STATUS_OK(Try(PassingOver(kept, 1)).status);
  const uint64_t last = OpenProducer();
  machine().PowerCut(PowerLoss::kNothing);
  CrashAndReopen();
  EXPECT_ERROR(Try(Tagged(forgotten, 2)).status, kFailedPrecondition, kProducerForgotten);
  ExpectOutOfOrder(Try(Tagged(kept, 3)).status, 2);
  ASSERT_STATUS_OK(Try(Tagged(kept, 2)).status);
  EXPECT_GT(OpenProducer(), last);
  ExpectLogHoldsLedger();
}

// What a power cut took of a producer's batches is a suffix, and is stored again in order.
TEST_P(ProducerFaultTest, AProducerGoesOnWhereAPowerCutLeftIt) {
  set_buffered_sync_every_writes(1'000'000);
  ReopenLog();
  const uint64_t producer = OpenProducer();
  std::vector<Batch> batches;
  std::vector<BatchResult> results;
  for (uint64_t i = 1; i <= 20; ++i) {
    Batch batch = Tagged(producer, i, 1, /*table=*/1 + i % 3);
    if (i > 10) batch = Buffered(batch);
    batches.push_back(batch);
    results.push_back(CommitOne(log(), batch));
    ASSERT_STATUS_OK(results.back().status);
  }
  machine().PowerCut(PowerLoss::kNothing);
  CrashAndReopen();
  uint64_t stored = 0;
  for (uint64_t i = 0; i < batches.size(); ++i) {
    const BatchResult again = CommitOne(log(), batches[i]);
    ASSERT_STATUS_OK(again.status);
    if (again.duplicate) {
      EXPECT_EQ(stored, i) << "a batch was lost in front of one that is there";
      EXPECT_EQ(again.first, results[i].first);
      ++stored;
    }
    ledger().Appended(batches[i].table, again, batches[i].payloads);
  }
  EXPECT_GE(stored, 10u);
  ExpectLogHoldsLedger();
}

// Once a write failed its batch is stored or not, and its retry is answered accordingly.
TEST_P(ProducerWriteFaultTest, AFailedWriteLeavesTheProducerWhereTheLogIs) {
  const uint64_t producer = OpenProducer();
  ASSERT_STATUS_OK(Try(Tagged(producer, 1)).status);
  disk().FailNth(1, file_op::kWrite | file_op::kSync, EIO);
  const Batch failed = Tagged(producer, 2);
  EXPECT_FALSE(CommitOne(log(), failed).status.ok());
  disk().ClearFaults();
  CloseLog();
  OpenLogAfterFailedSync();
  const auto records = ReadTable(log(), 1);
  ASSERT_TRUE(records.ok()) << records.status();
  const bool stored = records->size() > ledger().Live(1).size();
  const BatchResult again = CommitOne(log(), failed);
  ASSERT_STATUS_OK(again.status);
  EXPECT_EQ(again.duplicate, stored);
  ledger().Appended(1, again, failed.payloads);
  ASSERT_STATUS_OK(Try(Tagged(producer, 3)).status);
  ExpectLogHoldsLedger();
}

}  // namespace
}  // namespace walden::testing
