#include "engine/producer_table.h"

#include "engine/log_engine.h"
#include "gtest/gtest.h"

namespace walden::segment {
namespace {

using Verdict = ProducerTable::Verdict;

TEST(ProducerTableTest, AnUnknownProducerIsNew) {
  EXPECT_EQ(ProducerTable().Look(1, 1, 5).verdict, Verdict::kNew);
}

TEST(ProducerTableTest, ARetryGetsItsNumbers) {
  ProducerTable table;
  table.Add({1, 7, 1, 10, 12});
  table.Add({1, 7, 2, 13, 13});
  const auto answer = table.Look(1, 7, 1);
  ASSERT_EQ(answer.verdict, Verdict::kRetry);
  EXPECT_EQ(answer.original.first, 10u);
  EXPECT_EQ(answer.original.last, 12u);
  EXPECT_EQ(table.Look(1, 7, 3).verdict, Verdict::kNew);
  EXPECT_EQ(table.Look(1, 8, 1).verdict, Verdict::kNew) << "another table";
}

TEST(ProducerTableTest, WhatFallsOutOfTheWindowIsTold) {
  ProducerTable table;
  for (uint64_t i = 1; i <= kProducerWindowBatches; ++i) {
    EXPECT_TRUE(table.Add({1, 7, i, i, i}).empty());
  }
  const auto forgotten = table.Add({1, 7, 1000, 1000, 1000});
  ASSERT_EQ(forgotten.size(), 1u);
  EXPECT_EQ(forgotten[0].sequence, 1u);
}

TEST(ProducerTableTest, ASkippedNumberIsRefused) {
  ProducerTable table;
  table.Add({1, 7, 5, 10, 10});
  const auto answer = table.Look(1, 7, 4);
  EXPECT_EQ(answer.verdict, Verdict::kReplaced);
  EXPECT_EQ(answer.highest_sequence, 5u);
}

TEST(ProducerTableTest, OnlyTheLastBatchesCanBeRetried) {
  ProducerTable table;
  for (uint64_t i = 1; i <= kProducerWindowBatches + 1; ++i) table.Add({1, 7, i, i, i});
  EXPECT_EQ(table.Look(1, 7, 1).verdict, Verdict::kReplaced);
  EXPECT_EQ(table.Look(1, 7, 2).verdict, Verdict::kRetry);
}

TEST(ProducerTableTest, TheLeastRecentProducerIsForgotten) {
  ProducerTable table;
  for (uint64_t i = 1; i <= kMaxProducersPerRegion + 1; ++i) table.Add({i, 7, 1, i, i});
  EXPECT_EQ(table.Look(1, 7, 1).verdict, Verdict::kNew);
  EXPECT_EQ(table.Look(2, 7, 1).verdict, Verdict::kRetry);
}

TEST(ProducerTableTest, RememberingTwiceChangesNothing) {
  ProducerTable table;
  table.Add({1, 7, 1, 1, 1});
  table.Add({1, 7, 2, 2, 2});
  table.Add({1, 7, 1, 1, 1});
  EXPECT_EQ(table.InRange(1, 2).size(), 2u);
}

}  // namespace
}  // namespace walden::segment
