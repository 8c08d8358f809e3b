// The memory of indexes, when it is short.
#include "engine/wait.h"
#include "tests/unit/engine/segment/engine_fixture.h"

namespace walden::testing {
namespace {

class IndexBudgetTest : public SegmentEngineTest {
 protected:
  static constexpr TableId kTables = 20;
  static constexpr uint64_t kLimit = 16 << 10;

  void SetUp() override {
    SegmentEngineTest::SetUp();
    segment_bytes_ = 32 << 10;
    index_budget_ = std::make_unique<MemoryBudget>(kLimit);
    OpenEngine();
    OpenRegion();
  }

  // Small records of many tables, one after the other.
  void Fill(int rounds) {
    for (int round = 0; round < rounds; ++round) {
      std::vector<Batch> group;
      for (TableId table = 1; table <= kTables; ++table) {
        group.push_back({.table = table,
                         .payloads = {absl::StrCat(table, " in round ", rounds_)},
                         .durability = Durability::kBuffered});
      }
      for (const BatchResult& result : CommitGroup(*log_, group)) {
        ASSERT_TRUE(result.status.ok()) << result.status;
      }
      ++rounds_;
    }
  }

  void ExpectEveryTableHasRoundsFrom(int first) {
    for (const ReadLimits& limits : {ReadLimits{}, ReadLimits{.max_records = 7}}) {
      for (TableId table = 1; table <= kTables; ++table) {
        const auto read = ReadAll(*log_, {.table = table}, limits);
        ASSERT_TRUE(read.ok()) << read.status();
        ASSERT_EQ(read->size(), static_cast<size_t>(rounds_ - first));
        for (int round = first; round < rounds_; ++round) {
          ASSERT_EQ((*read)[round - first].payload, absl::StrCat(table, " in round ", round));
        }
      }
    }
  }

  int rounds_ = 0;
};

TEST_F(IndexBudgetTest, PastItReadersFindEverythingAndMemoryStaysBounded) {
  Fill(400);
  const RegionUsage usage = log_->Usage();
  ASSERT_GT(usage.segments, 5u);
  // What a table takes in a segment at least cannot be joined; and not every group looks.
  const uint64_t least = usage.segments * kTables * 200 + kLimit / 16;
  EXPECT_LE(index_budget_->used(), kLimit + least);
  EXPECT_EQ(index_budget_->used(), usage.index_bytes);
  ExpectEveryTableHasRoundsFrom(0);

  Restart();
  EXPECT_LE(index_budget_->used(), kLimit + least);
  ExpectEveryTableHasRoundsFrom(0);
}

TEST_F(IndexBudgetTest, PastItMarksDeleteExactlyWhatTheyName) {
  Fill(400);
  const uint64_t before = log_->Usage().segments;
  for (TableId table = 1; table <= kTables; ++table) {
    const SequenceNumber through = (*ReadAll(*log_, {.table = table}))[199].sequence;
    ASSERT_TRUE(MarkTableAndWait(*log_, table, through, std::nullopt).ok());
  }
  ExpectEveryTableHasRoundsFrom(200);
  EXPECT_LT(log_->Usage().segments, before);
  EXPECT_EQ(index_budget_->used(), log_->Usage().index_bytes);
  log_ = nullptr;
  EXPECT_EQ(index_budget_->used(), 0u) << "a closed region takes none";
}

}  // namespace
}  // namespace walden::testing
