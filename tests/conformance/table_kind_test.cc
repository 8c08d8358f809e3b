// A table is a plain log or an entry log: decided by its first append, and remembered.
#include "base/error.h"
#include "engine/wait.h"
#include "tests/conformance/log_fixture.h"

namespace walden::testing {
namespace {

class TableKindTest : public LogTest {
 protected:
  static constexpr TableId kTable = 5;

  BatchResult TryAs(TableKind kind, TableId table = kTable) {
    Batch batch;
    batch.table = table;
    batch.payloads = Payloads(2);
    batch.kind = kind;
    return Try(batch);
  }
  TableKind KindOf(TableId table) {
    const auto kind = log().Position(table).kind;
    EXPECT_TRUE(kind.has_value()) << "table " << table << " has no kind";
    return kind.value_or(TableKind::kLog);
  }
  void ExpectRefusedAs(TableKind kind) {
    EXPECT_ERROR(TryAs(kind).status, kFailedPrecondition, kWrongTableKind);
    ExpectLogHoldsLedger();
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, TableKindTest, ::testing::ValuesIn(AllSettings()), SettingName);

TEST_P(TableKindTest, ATableThatWasNeverWrittenHasNoKind) {
  EXPECT_EQ(log().Position(kTable).kind, std::nullopt);
}

TEST_P(TableKindTest, TheFirstAppendDecidesAndTheOtherKindIsRefused) {
  ASSERT_STATUS_OK(TryAs(TableKind::kEntries).status);
  ASSERT_STATUS_OK(TryAs(TableKind::kLog, 6).status);
  EXPECT_EQ(KindOf(kTable), TableKind::kEntries);
  EXPECT_EQ(KindOf(6), TableKind::kLog);
  ExpectRefusedAs(TableKind::kLog);
  EXPECT_ERROR(TryAs(TableKind::kEntries, 6).status, kFailedPrecondition, kWrongTableKind);
  ASSERT_STATUS_OK(TryAs(TableKind::kEntries).status);
  ASSERT_STATUS_OK(TryAs(TableKind::kLog, 6).status);
  ExpectLogHoldsLedger();
  for (const TableState& state : log().Describe().tables) {
    EXPECT_EQ(state.kind, state.table == 6 ? TableKind::kLog : TableKind::kEntries);
  }
}

TEST_P(TableKindTest, TheFirstBatchOfAGroupDecidesForTheNext) {
  std::vector<Batch> group(2);
  for (Batch& batch : group) batch.payloads = {"x"};
  group[1].kind = TableKind::kEntries;
  const std::vector<BatchResult> results = CommitGroup(log(), group);
  ASSERT_STATUS_OK(results[0].status);
  EXPECT_ERROR(results[1].status, kFailedPrecondition, kWrongTableKind);
}

TEST_P(TableKindTest, AKindSurvivesARestart) {
  ASSERT_STATUS_OK(TryAs(TableKind::kEntries).status);
  RestartEngine();
  EXPECT_EQ(KindOf(kTable), TableKind::kEntries);
  ExpectRefusedAs(TableKind::kLog);
  ASSERT_STATUS_OK(TryAs(TableKind::kEntries).status);
}

TEST_P(TableKindTest, AKindSurvivesThatEverythingIsDeleted) {
  ASSERT_STATUS_OK(TryAs(TableKind::kEntries).status);
  ASSERT_STATUS_OK(TryAs(TableKind::kLog, 6).status);
  MarkDeleted(kTable, kMaxSequenceNumber);
  MarkDeleted(6, kMaxSequenceNumber);
  ExpectRefusedAs(TableKind::kLog);
  RestartEngine();
  EXPECT_EQ(KindOf(kTable), TableKind::kEntries);
  ExpectRefusedAs(TableKind::kLog);
  EXPECT_ERROR(TryAs(TableKind::kEntries, 6).status, kFailedPrecondition, kWrongTableKind);
}

class TableKindFaultTest : public TableKindTest {};
INSTANTIATE_TEST_SUITE_P(Engines, TableKindFaultTest, ::testing::ValuesIn(CrashSettings()),
                         SettingName);

TEST_P(TableKindFaultTest, AKindThatWasAnsweredSurvivesAPowerCut) {
  ASSERT_STATUS_OK(TryAs(TableKind::kEntries).status);
  machine().PowerCut();
  CrashAndReopen();
  EXPECT_EQ(KindOf(kTable), TableKind::kEntries);
  ExpectRefusedAs(TableKind::kLog);
}

TEST_P(TableKindFaultTest, WhereverAPowerCutHitsTheFirstAppendARecordComesWithItsKind) {
  for (uint64_t at = 1;; ++at) {
    SCOPED_TRACE(at);
    const TableId table = 100 + at;
    machine().CrashAt(at, Crash::kPowerCut);
    Batch batch;
    batch.table = table;
    batch.payloads = {"entry"};
    batch.kind = TableKind::kEntries;
    (void)CommitOne(log(), batch);
    if (!machine().crashed()) break;
    CrashAndReopen();
    const auto records = ReadTable(log(), table);
    ASSERT_STATUS_OK(records.status());
    if (!records->empty()) {
      EXPECT_EQ(KindOf(table), TableKind::kEntries);
    }
  }
  machine().CancelCrash();
}

TEST_P(TableKindFaultTest, AKindSurvivesManyMarks) {
  ASSERT_STATUS_OK(TryAs(TableKind::kEntries).status);
  for (int i = 0; i < 2500; ++i) {
    Batch batch;
    batch.payloads = {"x"};
    const BatchResult result = CommitOne(log(), batch);
    ASSERT_STATUS_OK(result.status);
    ASSERT_STATUS_OK(MarkTableAndWait(log(), 1, result.last, std::nullopt).status());
  }
  RestartEngine();
  EXPECT_EQ(KindOf(kTable), TableKind::kEntries);
}

}  // namespace
}  // namespace walden::testing
