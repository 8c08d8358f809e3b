// Cuts: the states of all tables at one moment, and readers that end at one.
#include <atomic>
#include <map>
#include <thread>

#include "engine/wait.h"
#include "tests/conformance/log_fixture.h"

namespace walden::testing {
namespace {

// More tables than any engine copies in one slice.
constexpr TableId kTables = 1500;

class CutTest : public LogTest {
 protected:
  void SetUp() override {
    LogTest::SetUp();
    for (TableId table = 1; table <= kTables; table += kMaxTablesPerBatch) {
      const TableId end = std::min<TableId>(kTables + 1, table + kMaxTablesPerBatch);
      ASSERT_STATUS_OK(Try(Over(table, end, 1)).status);
    }
  }

  // A batch to each `step`-th of the tables from `begin` below `end`.
  static Batch Over(TableId begin, TableId end, TableId step) {
    Batch batch;
    batch.table = begin;
    batch.payloads = {"x"};
    for (TableId table = begin + step; table < end; table += step) {
      batch.more.push_back({.table = table, .payloads = {"x"}});
    }
    return batch;
  }

  static std::map<TableId, TableState> Rest(TableCut& cut) {
    std::map<TableId, TableState> states;
    for (;;) {
      const std::vector<TableState> next = cut.Next(100);
      for (const TableState& state : next) states[state.table] = state;
      if (next.size() < 100) return states;
    }
  }
};

TEST_P(CutTest, ACutHasTheTablesAsTheyWereWhateverComesBetweenItsParts) {
  MarkDeleted(1200, kMaxSequenceNumber);
  const auto cut = log().CutTables();
  const std::vector<TableState> first = cut->Next(700);
  ASSERT_EQ(first.size(), 700u);
  EXPECT_EQ(first.front().table, 1u);
  EXPECT_EQ(first.back().table, 700u);

  const Batch batch = Over(1, kTables, 100);
  ASSERT_STATUS_OK(Try(batch).status);
  ASSERT_STATUS_OK(Try(batch).status);
  Append(kTables + 7, 1);  // a new table
  MarkDeleted(1300, kMaxSequenceNumber);

  const auto rest = Rest(*cut);
  EXPECT_EQ(rest.size(), kTables - 700);
  EXPECT_FALSE(rest.contains(kTables + 7));
  for (const auto& [table, state] : rest) {
    EXPECT_EQ(state.deleted_through == 0, table != 1200) << table;
    if (table == 1200) continue;
    EXPECT_EQ(state.first_live, state.last_live) << table;
  }
  EXPECT_TRUE(cut->Next(1).empty());

  const auto now = Rest(*log().CutTables());
  EXPECT_EQ(now.size(), kTables + 1);
  EXPECT_LT(now.at(901).first_live, now.at(901).last_live);
  EXPECT_GT(now.at(1300).deleted_through, 0u);
}

TEST_P(CutTest, ACutIsUsableAfterTheLogWasClosedAndWithoutTables) {
  const auto cut = log().CutTables();
  const auto left = log().CutTables();
  ASSERT_STATUS_OK(CloseAndWait(log()));
  EXPECT_EQ(Rest(*cut).size(), kTables);
  OpenLog();
}

// Both tables get every batch. They stand far apart, so a copy reaches them in different slices.
TEST_P(CutTest, ABatchOverSeveralTablesIsInACutAndInAReaderThatEndsAsAWholeOrNotAtAll) {
  constexpr TableId kLow = 2;
  constexpr TableId kHigh = kTables - 1;
  Batch batch;
  batch.table = kLow;
  batch.payloads = {"x"};
  batch.durability = Durability::kBuffered;
  batch.more.push_back({.table = kHigh, .payloads = {"x"}});
  const BatchResult one = CommitOne(log(), batch);
  ASSERT_STATUS_OK(one.status);
  // The last numbers of a whole batch always differ by this much.
  const SequenceNumber apart = one.more[0].last - one.last;
  std::atomic<bool> stop{false};
  std::atomic<int> appended{0};
  std::thread writer([&] {
    for (; !stop && appended < 3000; ++appended) {
      if (!CommitOne(log(), batch).status.ok()) break;
    }
  });
  for (int i = 0; i < 60 && !HasFailure(); ++i) {
    auto reader = log().NewReader({});
    ASSERT_STATUS_OK(reader.status());
    const auto states = Rest(*log().CutTables());
    (*reader)->EndHere();
    std::map<TableId, uint64_t> visited;
    absl::StatusOr<ReadProgress> progress = ReadProgress::kMore;
    while (progress.ok() && *progress == ReadProgress::kMore) {
      progress = (*reader)->Next({.max_records = 1000},
                                 [&](const RecordView& record) { ++visited[record.table]; });
    }
    EXPECT_TRUE(progress.ok()) << progress.status();
    EXPECT_EQ(states.at(kHigh).last_live - states.at(kLow).last_live, apart);
    EXPECT_EQ(visited[kHigh], visited[kLow]);
  }
  stop = true;
  writer.join();
  EXPECT_GT(appended, 0);
}

INSTANTIATE_TEST_SUITE_P(Engines, CutTest, ::testing::ValuesIn(AllSettings()), SettingName);

}  // namespace
}  // namespace walden::testing
