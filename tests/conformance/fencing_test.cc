// Fencing of old writers by region versions.
#include "base/error.h"
#include "engine/wait.h"
#include "tests/conformance/producer_fixture.h"

namespace walden::testing {
namespace {

TEST_P(ProducerTest, ALowerRegionVersionIsFencedAndTheHighestIsRemembered) {
  Batch batch;
  batch.payloads = Payloads(1);
  batch.region_version = 5;
  ASSERT_STATUS_OK(Try(batch).status);
  batch.region_version = 5;
  ASSERT_STATUS_OK(Try(batch).status);
  batch.region_version = 4;
  const BatchResult fenced = Try(batch);
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
  ASSERT_TRUE(MarkTableAndWait(log(), 1, 1, 9).ok());
  ledger().MarkedDeleted(1, 1);
  EXPECT_ERROR(MarkTableAndWait(log(), 1, 5, 8).status(), kFailedPrecondition, kFenced);
  ExpectLogHoldsLedger();
  RestartEngine();
  EXPECT_ERROR(MarkTableAndWait(log(), 1, 5, 8).status(), kFailedPrecondition, kFenced);
  EXPECT_EQ(log().Describe().region_version, 9u);
  ExpectLogHoldsLedger();
}

TEST_P(ProducerTest, AnEmptyRegionIsFencedAndHasNoTable) {
  ASSERT_STATUS_OK(Fence(log(), 5));
  Batch late{.payloads = Payloads(1), .region_version = 4};
  for (const bool restarted : {false, true}) {
    SCOPED_TRACE(restarted);
    if (restarted) RestartEngine();
    const RegionDescription region = log().Describe();
    EXPECT_EQ(region.region_version, 5u);
    EXPECT_TRUE(region.tables.empty());
    EXPECT_ERROR(Try(late).status, kFailedPrecondition, kFenced);
    EXPECT_ERROR(MarkTable(log(), 1, 1, 4).status(), kFailedPrecondition, kFenced);
    EXPECT_ERROR(OpenProducerAndWait(log(), 4).status(), kFailedPrecondition, kFenced);
  }
  late.region_version = 5;
  ASSERT_STATUS_OK(Try(late).status);
  ExpectLogHoldsLedger();
}

TEST_P(ProducerTest, AFenceIsRefusedBelowTheHighestVersionAndRepeatedAtIt) {
  Append(1, 2);
  ASSERT_STATUS_OK(Fence(log(), 7));
  ASSERT_STATUS_OK(Fence(log(), 7));
  EXPECT_ERROR(Fence(log(), 6), kFailedPrecondition, kFenced);
  EXPECT_EQ(log().Describe().region_version, 7u);
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
  Batch batch = Tagged(OpenProducer(), 1);
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
