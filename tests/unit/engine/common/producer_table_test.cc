#include "engine/common/producer_table.h"

#include "engine/log_engine.h"
#include "gtest/gtest.h"

namespace walden {
namespace {

using Verdict = ProducerTable::Verdict;

class ProducerTableTest : public ::testing::Test {
 protected:
  void Add(uint64_t id, uint64_t sequence, uint64_t order) {
    table_.Add({.id = id,
                .table = 1,
                .sequence = sequence,
                .first = order,
                .last = order,
                .order = order});
  }
  Verdict Look(uint64_t id, uint64_t sequence) const {
    return table_.Look(id, sequence, /*table=*/1, /*records=*/1).verdict;
  }

  ProducerTable table_;
};

TEST_F(ProducerTableTest, AnIdThatWasNotIssuedIsForgotten) {
  EXPECT_EQ(Look(1, 1), Verdict::kForgotten);
  Add(1, 1, 1);
  EXPECT_EQ(Look(1, 1), Verdict::kForgotten);
}

TEST_F(ProducerTableTest, IdsAreAboveThoseBeforeAndNotBelowTheClock) {
  EXPECT_EQ(table_.NextId(0), 1u);
  EXPECT_EQ(table_.NextId(-5), 1u);
  EXPECT_EQ(table_.NextId(7000), 7000u);
  table_.Issue(9000, 1);
  EXPECT_EQ(table_.NextId(7000), 9001u);
  table_.RaiseIssuedThrough(20'000);
  EXPECT_EQ(table_.NextId(7000), 20'001u);
}

TEST_F(ProducerTableTest, ABatchAfterAGapLeavesOnlyItselfToBeRetried) {
  table_.Issue(1, 1);
  Add(1, 1, 2);
  Add(1, 5, 3);
  EXPECT_EQ(Look(1, 1), Verdict::kForgotten);
  EXPECT_EQ(Look(1, 4), Verdict::kForgotten);
  EXPECT_EQ(Look(1, 5), Verdict::kRetry);
  EXPECT_EQ(Look(1, 6), Verdict::kNew);
}

TEST_F(ProducerTableTest, AddingTwiceChangesNothing) {
  table_.Issue(1, 1);
  Add(1, 1, 2);
  Add(1, 2, 3);
  Add(1, 1, 2);
  EXPECT_EQ(Look(1, 1), Verdict::kRetry);
  EXPECT_EQ(Look(1, 3), Verdict::kNew);
}

TEST_F(ProducerTableTest, BatchesAreFoundByTheNumbersOfTheirRecords) {
  table_.Issue(1, 1);
  for (uint64_t i = 1; i <= 9; ++i) Add(1, i, 10 * i);
  table_.Add({.id = 1, .table = 1, .sequence = 10, .first = 61, .last = 60, .order = 60});
  std::vector<uint64_t> found;
  const ProducerTable::Range ranges[] = {{15, 20}, {21, 29}, {60, 65}};
  for (const ProducerBatch& batch : table_.InRanges(ranges)) found.push_back(batch.sequence);
  EXPECT_EQ(found, (std::vector<uint64_t>{2, 6}));
}

}  // namespace
}  // namespace walden
