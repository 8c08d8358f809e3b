#include "engine/common/producer_table.h"

#include "engine/log_engine.h"
#include "gtest/gtest.h"

namespace walden {
namespace {

using Verdict = ProducerTable::Verdict;

class ProducerTableTest : public ::testing::Test {
 protected:
  void Add(uint64_t id, uint64_t sequence, uint64_t order) {
    table_.Add({.id = id, .sequence = sequence, .order = order, .tables = {{1, order, order}}});
  }
  Verdict Look(uint64_t id, uint64_t sequence) const { return Look(id, sequence, {{1, 1}}); }
  // `tables`: ids and numbers of records.
  Verdict Look(uint64_t id, uint64_t sequence,
               const std::vector<std::pair<TableId, size_t>>& tables) const {
    std::vector<TableAppend> appends;
    for (const auto& [table, records] : tables) {
      appends.push_back({.table = table, .payloads = std::vector<absl::string_view>(records)});
    }
    return table_.Look(id, sequence, appends).verdict;
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

TEST_F(ProducerTableTest, TheBatchesThatLeaveTheWindowAreReturned) {
  table_.Issue(1, 1);
  const auto add = [this](uint64_t sequence, size_t tables) {
    ProducerBatch batch{.id = 1, .sequence = sequence, .order = 1 + sequence, .tables = {}};
    for (TableId table = 1; table <= tables; ++table) batch.tables.push_back({table, 1, 1});
    std::vector<uint64_t> past;
    for (const ProducerBatch& left : table_.Add(batch)) past.push_back(left.sequence);
    return past;
  };
  using Past = std::vector<uint64_t>;
  EXPECT_EQ(add(1, kProducerWindowTables - 2), Past{});
  EXPECT_EQ(add(2, 1), Past{});
  EXPECT_EQ(add(3, 1), Past{});
  EXPECT_EQ(add(4, 0), Past{});
  EXPECT_EQ(add(5, 1), (Past{1}));
  EXPECT_EQ(add(6, kProducerWindowTables), (Past{2, 3, 4, 5}));
  EXPECT_EQ(Look(1, 5), Verdict::kForgotten);
  EXPECT_EQ(add(7, 0), Past{});
  for (uint64_t sequence = 8; sequence < 6 + kProducerWindowBatches; ++sequence) {
    EXPECT_EQ(add(sequence, 0), Past{});
  }
  EXPECT_EQ(add(6 + kProducerWindowBatches, 1), (Past{6}));
}

TEST_F(ProducerTableTest, ARetryHasTheSameTablesInAnyOrderWithTheSameNumbersOfRecords) {
  table_.Issue(1, 1);
  table_.Add({.id = 1, .sequence = 1, .order = 2, .tables = {{7, 1, 2}, {9, 3, 3}}});
  table_.Add({.id = 1, .sequence = 2, .order = 3, .tables = {}});
  EXPECT_EQ(Look(1, 1, {{7, 2}, {9, 1}}), Verdict::kRetry);
  EXPECT_EQ(Look(1, 1, {{9, 1}, {7, 2}}), Verdict::kRetry);
  EXPECT_EQ(Look(1, 1, {{7, 2}}), Verdict::kDiffers);
  EXPECT_EQ(Look(1, 1, {{7, 1}, {9, 2}}), Verdict::kDiffers);
  EXPECT_EQ(Look(1, 1, {{7, 2}, {8, 1}}), Verdict::kDiffers);
  EXPECT_EQ(Look(1, 1, {{7, 2}, {9, 1}, {8, 1}}), Verdict::kDiffers);
  EXPECT_EQ(Look(1, 1, {}), Verdict::kDiffers);
  EXPECT_EQ(Look(1, 2, {}), Verdict::kRetry);
  EXPECT_EQ(Look(1, 2, {{7, 1}}), Verdict::kDiffers);
}

TEST_F(ProducerTableTest, BatchesAreFoundByTheNumbersOfTheirRecords) {
  table_.Issue(1, 1);
  for (uint64_t i = 1; i <= 9; ++i) Add(1, i, 10 * i);
  table_.Add({.id = 1, .sequence = 10, .order = 60, .tables = {}});
  table_.Add({.id = 1, .sequence = 11, .order = 92, .tables = {{1, 91, 91}, {2, 65, 66}}});
  std::vector<uint64_t> found;
  const ProducerTable::Range ranges[] = {{15, 20}, {21, 29}, {60, 65}};
  for (const ProducerBatch& batch : table_.InRanges(ranges)) found.push_back(batch.sequence);
  EXPECT_EQ(found, (std::vector<uint64_t>{2, 6, 11}));
}

}  // namespace
}  // namespace walden
