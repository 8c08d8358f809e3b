// Quarantined damage that may have held all that a table had, or its end.
#include <algorithm>

#include "base/error.h"
#include "engine/wait.h"
#include "tests/conformance/log_fixture.h"
#include "tests/support/settable_wall_clock.h"

namespace walden::testing {
namespace {

class QuarantineTest : public LogTest {
 protected:
  static constexpr TableId kLost = 2;  // its only record is damaged

  void SetUp() override {
    LogTest::SetUp();
    set_recovery_policy(RecoveryPolicy::kQuarantine);
    Append(1, 5);
    Append(kLost, 1);
    Append(1, 3);
    victim_ = ledger().Live(kLost)[0];
  }

  void Damage(const StoredRecord& record) {
    for (const std::string& path : disk().FilesBelow(directory())) {
      const size_t at = disk().ReadWhole(path).find(record.payload);
      if (at != std::string::npos) disk().FlipBit(path, at + record.payload.size() / 2, 3);
    }
  }

  void DamageAndOpen(const StoredRecord& record) {
    CloseLog();
    Damage(record);
    OpenLog();
    ASSERT_EQ(log().Describe().opening.damaged.size(), 1u);
  }

  BatchResult CompareAndAppend(TableId table, SequenceNumber expected) {
    Batch batch;
    batch.table = table;
    batch.payloads = Payloads(1);
    batch.expected_next_sequence = expected;
    return Try(batch);
  }

  // Checks that all calls about the table report the damage until it is acknowledged.
  void ExpectToldOf(TableId table, const StoredRecord& lost) {
    const TablePosition position = log().Position(table);
    EXPECT_TRUE(position.damaged);
    EXPECT_GT(position.next, lost.sequence);
    EXPECT_LE(position.first, lost.sequence);
    EXPECT_ERROR(ReadTable(log(), table).status(), kDataLoss, kCorruption);
    const auto bounded = ReadAll(log(), ReadRange{table, lost.sequence, position.next - 1});
    EXPECT_ERROR(bounded.status(), kDataLoss, kCorruption);
    EXPECT_ERROR(CompareAndAppend(table, lost.sequence).status, kAborted, kSequenceMismatch);
  }

  // Appends until a new segment was begun, so that the others may go.
  void FillSegment() {
    const size_t before = log().Describe().segments.size();
    for (int i = 0; i < 10000 && log().Describe().segments.size() == before; ++i) {
      Batch batch;
      batch.payloads = {std::string(3000, 'f')};
      ASSERT_STATUS_OK(Try(batch).status);
    }
  }

  StoredRecord victim_;
};
INSTANTIATE_TEST_SUITE_P(Engines, QuarantineTest,
                         ::testing::ValuesIn(SettingsWith(FaultFileSettings(),
                                                          [](const EngineUnderTest& engine) {
                                                            return engine.serves_around_damage;
                                                          })),
                         SettingName);

TEST_P(QuarantineTest, ATableThatIsAllInTheDamageIsNotTakenForOneThatWasNeverWritten) {
  DamageAndOpen(victim_);
  ExpectToldOf(kLost, victim_);
  EXPECT_ERROR(CompareAndAppend(kLost, 1).status, kAborted, kSequenceMismatch);
  const SequenceNumber next = log().Position(kLost).next;
  const BatchResult added = CompareAndAppend(kLost, next);
  ASSERT_STATUS_OK(added.status);
  EXPECT_GE(added.first, next);
  EXPECT_ERROR(ReadTable(log(), kLost).status(), kDataLoss, kCorruption);
  const auto behind = ReadAll(log(), ReadRange{kLost, next});
  ASSERT_STATUS_OK(behind.status());
  EXPECT_EQ(behind->size(), 1u);
}

TEST_P(QuarantineTest, ABatchThatIsDamagedInOneTableIsNeitherStoredAgainNorShortInSilence) {
  const uint64_t producer = OpenProducer();
  const uint64_t other = OpenProducer();
  Batch batch{.table = 4, .payloads = Payloads(2), .producer = ProducerTag{producer, 1}};
  batch.more = {{.table = 5, .payloads = Payloads(1)}, {.table = 6, .payloads = Payloads(2)}};
  const BatchResult original = Try(batch);
  ASSERT_STATUS_OK(original.status);
  const Batch sound{.table = 4, .payloads = Payloads(1), .producer = ProducerTag{other, 1}};
  ASSERT_STATUS_OK(Try(sound).status);
  Append(1, 1);
  DamageAndOpen({5, original.more[0].first, batch.more[0].payloads[0]});
  for (const bool restarted : {false, true}) {
    SCOPED_TRACE(restarted);
    if (restarted) RestartEngine();
    // The damage may have held the batch of any producer.
    EXPECT_ERROR(CommitOne(log(), batch).status, kFailedPrecondition, kProducerForgotten);
    EXPECT_ERROR(CommitOne(log(), sound).status, kFailedPrecondition, kProducerForgotten);
    const DamagedRange damage = log().Describe().opening.damaged[0];
    EXPECT_LE(damage.first, original.more[0].first);
    EXPECT_GE(damage.last, original.more[0].last);
    for (const TableId table : {4, 5, 6}) {
      EXPECT_TRUE(log().Position(table).damaged) << "table " << table;
      EXPECT_ERROR(ReadTable(log(), table).status(), kDataLoss, kCorruption);
    }
  }
}

TEST_P(QuarantineTest, MarkingOtherTablesDeletedNeverForgetsTheDamage) {
  DamageAndOpen(victim_);
  FillSegment();
  MarkDeleted(1, kMaxSequenceNumber);
  for (const bool restarted : {false, true}) {
    SCOPED_TRACE(restarted);
    if (restarted) RestartEngine();
    ExpectToldOf(kLost, victim_);
    EXPECT_TRUE(ReadTable(log(), 1).ok());
  }
}

TEST_P(QuarantineTest, MarkingATableThroughTheDamageAcknowledgesItForThatTableAlone) {
  DamageAndOpen(victim_);
  const DamagedRange damage = log().Describe().opening.damaged[0];
  FillSegment();
  MarkDeleted(1, kMaxSequenceNumber);
  const auto mark = MarkTableAndWait(log(), kLost, kMaxSequenceNumber, std::nullopt);
  ASSERT_STATUS_OK(mark.status());
  EXPECT_EQ(*mark, damage.last);
  constexpr TableId kUnknown = 77;
  for (const bool restarted : {false, true}) {
    SCOPED_TRACE(restarted);
    if (restarted) RestartEngine();
    EXPECT_FALSE(log().Position(kLost).damaged);
    const auto records = ReadTable(log(), kLost);
    ASSERT_STATUS_OK(records.status());
    EXPECT_TRUE(records->empty());
    // The damage may have held all of a table that nobody has named since.
    ExpectToldOf(kUnknown, victim_);
    EXPECT_EQ(log().Describe().opening.damaged.size(), 1u);
  }
}

TEST_P(QuarantineTest, ADamagedSegmentGoesAndTheRegionIsWholeOnceEveryKnownTableIsMarkedThroughIt) {
  DamageAndOpen(victim_);
  FillSegment();
  const std::string file = log().Describe().segments.front().file;
  const auto segments = [&] { return log().Describe().segments; };
  ASSERT_STATUS_OK(CompareAndAppend(kLost, log().Position(kLost).next).status);
  MarkDeleted(1, kMaxSequenceNumber);
  EXPECT_EQ(segments().front().file, file);
  EXPECT_ERROR(ReadAll(log(), ReadRange{}).status(), kDataLoss, kCorruption);
  ASSERT_STATUS_OK(
      MarkTableAndWait(log(), kLost, log().Describe().opening.damaged[0].last, std::nullopt)
          .status());
  EXPECT_NE(segments().front().file, file);
  const auto everything = ReadAll(log(), ReadRange{});
  ASSERT_STATUS_OK(everything.status());
  EXPECT_EQ(everything->size(), 1u);
}

TEST_P(QuarantineTest, DamageAtATablesEndCountsAsNumbersThatWereGivenOut) {
  const StoredRecord last = ledger().Live(1).back();
  DamageAndOpen(last);
  ExpectToldOf(1, last);
  const DamagedRange damage = log().Describe().opening.damaged[0];
  const auto whole = ReadAll(log(), ReadRange{1, 1, damage.first - 1});
  std::vector<StoredRecord> before = ledger().Live(1);
  std::erase_if(before, [&](const StoredRecord& r) { return r.sequence >= damage.first; });
  ASSERT_STATUS_OK(whole.status());
  EXPECT_FALSE(before.empty());
  EXPECT_EQ(*whole, before);
  for (const TableState& state : log().Describe().tables) EXPECT_GT(state.next, last.sequence);
  Batch batch;
  batch.payloads = Payloads(1);
  const BatchResult next = CommitOne(log(), batch);
  ASSERT_STATUS_OK(next.status);
  EXPECT_GT(next.first, last.sequence);
  EXPECT_ERROR(ReadTable(log(), 1).status(), kDataLoss, kCorruption);
}

TEST_P(QuarantineTest, AFileThatIsRemovedAfterAQuarantineLosesAllThatItHeld) {
  DamageAndOpen(victim_);
  FillSegment();
  const std::string file = log().Describe().segments.front().file;
  CloseLog();
  for (const std::string& path : disk().FilesBelow(directory())) {
    if (path.ends_with("/" + file)) ASSERT_STATUS_OK(disk().RemoveFile(path));
  }
  for (const bool restarted : {false, true}) {
    SCOPED_TRACE(restarted);
    if (restarted) {
      RestartEngine();
    } else {
      OpenLog();
    }
    for (const StoredRecord& record : ledger().Live(1)) {
      const auto read = ReadAll(log(), ReadRange{1, record.sequence, record.sequence});
      if (read.ok()) {
        EXPECT_EQ(*read, std::vector<StoredRecord>{record});
      } else {
        EXPECT_ERROR(read.status(), kDataLoss, kCorruption);
      }
    }
    ExpectToldOf(1, ledger().Live(1).front());
    ExpectToldOf(kLost, victim_);
    EXPECT_GE(log().Position(1).next, ledger().Next(1));
  }
}

TEST_P(QuarantineTest, ASegmentFileThatWasCutUnderTheReadersIsDamage) {
  const std::string file = log().Describe().segments.front().file;
  for (const std::string& path : disk().FilesBelow(directory())) {
    if (path.ends_with("/" + file)) disk().ShrinkSize(path, disk().ReadWhole(path).size() - 60);
  }
  EXPECT_ERROR(ReadTable(log(), 1).status(), kDataLoss, kCorruption);
}

TEST_P(QuarantineTest, AMissingSegmentFileIsDamageAndNotAMissingRegion) {
  FillSegment();
  const std::string file = log().Describe().segments.front().file;
  for (const std::string& path : disk().FilesBelow(directory())) {
    if (path.ends_with("/" + file)) ASSERT_STATUS_OK(disk().RemoveFile(path));
  }
  for (const TableId table : {TableId{1}, kLost}) {
    const absl::Status status = ReadTable(log(), table).status();
    EXPECT_ERROR(status, kDataLoss, kCorruption);
    EXPECT_TRUE(ErrorValue(status, "file").ends_with(file)) << status;
  }
  EXPECT_ERROR(ReadAll(log(), ReadRange{}).status(), kDataLoss, kCorruption);
}

class QuarantinedAgeTest : public QuarantineTest {
 protected:
  QuarantinedAgeTest() { set_wall_clock(&clock_); }

  void PassTime(absl::Duration duration) { clock_.Advance(duration); }

  // The highest number that retention of this age deletes.
  SequenceNumber Retained(absl::Duration age) {
    const auto plan = log().PlanRetention({.age = age}, clock_.now());
    EXPECT_TRUE(plan.ok()) << plan.status();
    SequenceNumber highest = 0;
    for (const TableMark& mark : plan->marks) highest = std::max(highest, mark.through);
    return highest;
  }

  SettableWallClock clock_;
};
INSTANTIATE_TEST_SUITE_P(Engines, QuarantinedAgeTest,
                         ::testing::ValuesIn(SettingsWith(FaultFileSettings(),
                                                          [](const EngineUnderTest& engine) {
                                                            return engine.serves_around_damage;
                                                          })),
                         SettingName);

TEST_P(QuarantinedAgeTest, RetentionByAgeSparesDamageThatMayHaveHeldYoungerRecords) {
  FillSegment();
  PassTime(absl::Seconds(1000));
  Append(3, 1);
  const StoredRecord young = ledger().Live(3)[0];
  FillSegment();
  CloseLog();
  for (const std::string& path : disk().FilesBelow(directory())) {
    const std::string content = disk().ReadWhole(path);
    if (content.find(young.payload) == std::string::npos) continue;
    disk().ZeroRange(path, 0, content.size());
  }
  OpenLog();
  ASSERT_FALSE(log().Describe().opening.damaged.empty());
  PassTime(absl::Seconds(500));
  for (const bool reopened : {false, true}) {
    SCOPED_TRACE(reopened);
    if (reopened) ReopenLog();
    const SequenceNumber old = Retained(absl::Seconds(1000));
    EXPECT_GT(old, 0u);
    EXPECT_LT(old, young.sequence);
  }
  ExpectToldOf(3, young);
  PassTime(absl::Seconds(600));
  EXPECT_GE(Retained(absl::Seconds(1000)), young.sequence);
}

}  // namespace
}  // namespace walden::testing
