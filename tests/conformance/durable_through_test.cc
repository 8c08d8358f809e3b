// How far a table says that it is durable.
#include <algorithm>
#include <map>
#include <vector>

#include "engine/wait.h"
#include "tests/conformance/log_fixture.h"

namespace walden::testing {
namespace {

class DurableThroughTest : public LogTest {
 protected:
  void SetUp() override {
    set_buffered_sync_every_writes(1000);
    LogTest::SetUp();
  }

  // The position and the state of a table say the same.
  SequenceNumber Durable(TableId table) {
    const SequenceNumber durable = log().Position(table).durable_through;
    for (const std::vector<TableState>& states :
         {log().Describe().tables, log().CutTables()->Next(SIZE_MAX)}) {
      for (const TableState& state : states) {
        if (state.table == table) {
          EXPECT_EQ(state.durable_through, durable);
        }
      }
    }
    return durable;
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, DurableThroughTest, ::testing::ValuesIn(AllSettings()),
                         SettingName);

TEST_P(DurableThroughTest, NothingIsDurableOfATableThatWasNeverWritten) {
  EXPECT_EQ(Durable(1), 0u);
}

TEST_P(DurableThroughTest, ASyncedAppendIsDurableAndABufferedOneOnceItIsSynced) {
  const SequenceNumber synced = Append(1, 2).last;
  EXPECT_EQ(Durable(1), synced);
  const BatchResult first = Append(1, 1, Durability::kBuffered);
  const BatchResult second = Append(1, 1, Durability::kBuffered);
  const BatchResult other = Append(2, 1, Durability::kBuffered);
  // A large load may have begun a new segment, which makes what is before it durable.
  EXPECT_EQ(Durable(2) >= other.last, other.durable);
  EXPECT_LT(Durable(1), second.durable ? kMaxSequenceNumber : second.last);
  EXPECT_GE(Durable(1), first.durable ? first.last : synced);
  ASSERT_TRUE(SyncAndWait(log()).ok());
  EXPECT_EQ(Durable(1), second.last);
  EXPECT_EQ(Durable(2), other.last);
  EXPECT_EQ(Durable(1), log().Position(1).last);
}

TEST_P(DurableThroughTest, ASyncOfOneTableIsOneOfAll) {
  const SequenceNumber buffered = Append(1, 1, Durability::kBuffered).last;
  const SequenceNumber synced = Append(2, 1).last;
  EXPECT_EQ(Durable(1), buffered);
  EXPECT_EQ(Durable(2), synced);
}

TEST_P(DurableThroughTest, WhatAnOpeningFoundIsDurable) {
  Append(1, 3, Durability::kBuffered);
  const SequenceNumber last = Append(1, 1, Durability::kBuffered).last;
  RestartEngine();
  EXPECT_EQ(Durable(1), last);
}

class DurableThroughCrashTest : public LogFaultTest {
 protected:
  void SetUp() override {
    set_buffered_sync_every_writes(7);
    LogFaultTest::SetUp();
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, DurableThroughCrashTest, ::testing::ValuesIn(CrashSettings()),
                         SettingName);

// The promise: a power cut takes nothing at or below the number.
TEST_P(DurableThroughCrashTest, APowerCutTakesNothingThatItCovers) {
  for (int round = 0; round < 30; ++round) {
    const std::map<TableId, SequenceNumber> begun = {{1, log().Position(1).next},
                                                     {2, log().Position(2).next}};
    for (int i = 0; i <= round % 11; ++i) {
      const Durability durability = i % 5 == 4 ? Durability::kSync : Durability::kBuffered;
      Append(1 + i % 2, 1, durability);
    }
    std::map<TableId, SequenceNumber> told;
    for (const TableId table : {1, 2}) told[table] = log().Position(table).durable_through;
    std::map<TableId, std::vector<StoredRecord>> expected;
    for (const auto& [table, through] : told) {
      for (const StoredRecord& record : ledger().Live(table)) {
        if (record.sequence < begun.at(table)) continue;  // of an earlier round, and may be lost
        if (record.sequence <= through) expected[table].push_back(record);
      }
    }
    machine().PowerCut();
    CrashAndReopen();
    for (const auto& [table, records] : expected) {
      const auto found = ReadTable(log(), table);
      ASSERT_TRUE(found.ok()) << found.status();
      ASSERT_GE(found->size(), records.size());
      EXPECT_TRUE(std::equal(records.begin(), records.end(), found->begin()));
    }
    // The next round begins with what the crash left.
    for (const TableId table : {1, 2}) MarkDeleted(table, kMaxSequenceNumber);
  }
}

}  // namespace
}  // namespace walden::testing
