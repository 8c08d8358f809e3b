// Stored bytes that rot. The tests find a record on disk by its payload.
#include "base/error.h"
#include "engine/wait.h"
#include "tests/conformance/log_fixture.h"

namespace walden::testing {
namespace {

class DamageTest : public LogTest {
 protected:
  struct Place {
    std::string path;
    uint64_t offset = 0;
  };

  void SetUp() override {
    LogTest::SetUp();
    for (int i = 0; i < 12; ++i) {
      Append(1, 2);
      Append(2, 1);
    }
  }

  Place PlaceOf(const StoredRecord& record) {
    for (const std::string& path : disk().FilesBelow(directory())) {
      const size_t at = disk().ReadWhole(path).find(record.payload);
      if (at != std::string::npos) return {path, at};
    }
    ADD_FAILURE() << "not on disk: " << record;
    return {};
  }

  // A record of table 1 in the middle of the log, damaged on disk.
  StoredRecord DamageOneRecord() {
    const StoredRecord victim = ledger().Live(1)[9];
    const Place place = PlaceOf(victim);
    disk().FlipBit(place.path, place.offset + victim.payload.size() / 2, 3);
    return victim;
  }

  // Opens the region on files that were damaged since it was closed.
  absl::Status OpenDamaged() {
    if (!GetParam().engine->finds_damage_when_a_region_opens) {
      StopEngine();
      OpenEngine();
    }
    return TryOpenLog();
  }

  // Checks an engine that serves nothing of a damaged region under any policy. Returns whether the
  // engine is one.
  bool IsRefusedWhole() {
    if (GetParam().engine->serves_around_damage) return false;
    EXPECT_ERROR(OpenDamaged(), kDataLoss, kCorruption);
    return true;
  }

  static bool Covers(const DamagedRange& range, const StoredRecord& record) {
    return range.first <= record.sequence && record.sequence <= range.last;
  }

  // Reads each record of a table by itself: DATA_LOSS exactly where `damaged` may have been.
  void ExpectServedOutside(const std::vector<DamagedRange>& damaged) {
    for (const TableId table : ledger().Tables()) {
      for (const StoredRecord& record : ledger().Live(table)) {
        const auto read = ReadAll(log(), ReadRange{table, record.sequence, record.sequence});
        bool inside = false;
        for (const DamagedRange& range : damaged) inside |= Covers(range, record);
        if (inside && !read.ok()) {
          EXPECT_ERROR(read.status(), kDataLoss, kCorruption);
        } else {
          ASSERT_TRUE(read.ok()) << record << ": " << read.status();
          EXPECT_EQ(*read, std::vector<StoredRecord>{record});
        }
      }
    }
  }

  // Flips one bit on a copy of the disk, opens the region, and compares.
  void FlipAndLook(const std::string& path, uint64_t offset) {
    const auto copy = disk().CopyOfDisk(/*seed=*/1);
    copy->FlipBit(path, offset, offset % 8);
    auto damaged_engine = GetParam().engine->open(copy.get(), directory());
    if (!damaged_engine.ok()) return;
    auto opened = OpenOwned(**damaged_engine, kRegion, options(), /*create=*/false);
    if (!opened.ok()) {
      EXPECT_EQ(opened.status().code(), absl::StatusCode::kDataLoss) << opened.status();
      return;
    }
    RegionLog& damaged = **opened;
    const bool reported = !damaged.Describe().opening.damaged.empty();
    for (const TableId table : ledger().Tables()) {
      for (const StoredRecord& record : ledger().Live(table)) {
        const auto read = ReadAll(damaged, ReadRange{table, record.sequence, record.sequence});
        if (read.ok()) {
          ASSERT_EQ(*read, std::vector<StoredRecord>{record}) << "silently lost or changed";
        } else {
          EXPECT_ERROR(read.status(), kDataLoss, kCorruption);
          // An engine that reads no records when it opens finds damage in them later.
          ASSERT_TRUE(reported || !GetParam().engine->finds_damage_when_a_region_opens);
        }
      }
      const auto all = ReadTable(damaged, table);
      if (all.ok()) {
        ASSERT_EQ(*all, ledger().Live(table));
      }
      EXPECT_EQ(damaged.Position(table).deleted_through, ledger().Mark(table));
    }
    EXPECT_EQ(damaged.Describe().region_version, kVersion);
    Batch batch;
    batch.payloads = {"new"};
    const BatchResult result = CommitOne(damaged, batch);
    ASSERT_STATUS_OK(result.status);
    ASSERT_GE(result.first, ledger().Next(1)) << "a number came back";
  }

  static constexpr uint64_t kVersion = 3;
};
INSTANTIATE_TEST_SUITE_P(Engines, DamageTest, ::testing::ValuesIn(FaultFileSettings()),
                         SettingName);

class OwnFilesDamageTest : public DamageTest {};
INSTANTIATE_TEST_SUITE_P(Engines, OwnFilesDamageTest,
                         ::testing::ValuesIn(SettingsWith(FaultFileSettings(),
                                                          [](const EngineUnderTest& engine) {
                                                            return engine.regions_have_own_files;
                                                          })),
                         SettingName);

// Otherwise a batch in the damage could be stored twice.
TEST_P(OwnFilesDamageTest, ProducersIssuedBeforeTheEndOfDamageAreForgotten) {
  set_recovery_policy(RecoveryPolicy::kQuarantine);
  const auto tagged = [&](uint64_t producer, uint64_t sequence) {
    Batch batch;
    batch.payloads = Payloads(1);
    batch.producer = ProducerTag{producer, sequence};
    return batch;
  };
  const uint64_t forgotten = OpenProducer();
  const Batch lost = tagged(forgotten, 1);
  ASSERT_STATUS_OK(Try(lost).status);
  const StoredRecord victim = ledger().Live(1).back();
  Append(2, 3);
  const uint64_t kept = OpenProducer();
  ASSERT_STATUS_OK(Try(tagged(kept, 1)).status);
  CloseLog();
  const Place place = PlaceOf(victim);
  disk().FlipBit(place.path, place.offset + victim.payload.size() / 2, 3);
  if (IsRefusedWhole()) return;
  ASSERT_STATUS_OK(OpenDamaged());
  for (const bool again : {false, true}) {
    if (again) ReopenLog();
    for (const Batch& batch : {lost, tagged(forgotten, 2)}) {
      EXPECT_ERROR(CommitOne(log(), batch).status, kFailedPrecondition, kProducerForgotten);
    }
    ASSERT_STATUS_OK(CommitOne(log(), tagged(kept, again ? 3 : 2)).status);
  }
  EXPECT_GT(OpenProducer(), kept);
}

TEST_P(DamageTest, ARegionOfPolicyRefuseDoesNotOpenAndSaysWhere) {
  CloseLog();
  const StoredRecord victim = DamageOneRecord();
  const absl::Status status = OpenDamaged();
  EXPECT_ERROR(status, kDataLoss, kCorruption);
  EXPECT_NE(ErrorValue(status, "file"), "");
  EXPECT_NE(ErrorValue(status, "offset"), "");
  ASSERT_NE(ErrorValue(status, "first_sequence"), "");
  ASSERT_NE(ErrorValue(status, "last_sequence"), "");
  EXPECT_LE(std::stoull(ErrorValue(status, "first_sequence")), victim.sequence);
  EXPECT_GE(std::stoull(ErrorValue(status, "last_sequence")), victim.sequence);
  EXPECT_ERROR(TryOpenLog(), kDataLoss, kCorruption);                // and goes on refusing
  if (!GetParam().engine->finds_damage_when_a_region_opens) return;  // it has all regions in it
  // Another region of the engine works.
  auto other = OpenOwned(engine(), 8, options(), /*create=*/true);
  ASSERT_TRUE(other.ok()) << other.status();
}

TEST_P(DamageTest, ARegionOfPolicyQuarantineServesEverythingElse) {
  CloseLog();
  const StoredRecord victim = DamageOneRecord();
  set_recovery_policy(RecoveryPolicy::kQuarantine);
  if (IsRefusedWhole()) return;
  for (const bool again : {false, true}) {
    SCOPED_TRACE(again);
    OpenLog();
    const OpeningReport report = log().Describe().opening;
    EXPECT_EQ(report.outcome, OpeningReport::Outcome::kQuarantined);
    ASSERT_EQ(report.damaged.size(), 1u);
    EXPECT_TRUE(Covers(report.damaged[0], victim));
    EXPECT_LE(report.damaged[0].last - report.damaged[0].first, 3u) << "an exact range";
    ExpectServedOutside(report.damaged);
    const auto inside = ReadAll(log(), ReadRange{1, victim.sequence, victim.sequence});
    EXPECT_ERROR(inside.status(), kDataLoss, kCorruption);
    // A reader that comes to the damage gets what lies before it, and never gets past it.
    auto reader = log().NewReader(ReadRange{1});
    ASSERT_TRUE(reader.ok());
    std::vector<StoredRecord> records;
    absl::StatusOr<ReadProgress> progress = ReadProgress::kMore;
    for (int i = 0; i < 1000 && progress.ok(); ++i) progress = NextInto(**reader, {}, records);
    EXPECT_ERROR(progress.status(), kDataLoss, kCorruption);
    EXPECT_ERROR(NextInto(**reader, {}, records).status(), kDataLoss, kCorruption);
    for (const StoredRecord& record : records) EXPECT_LT(record.sequence, victim.sequence);
    Append(1, 2);
    Append(2, 2);
    CloseLog();
  }
}

TEST_P(DamageTest, DeletingPastAQuarantinedRangeMakesTheTableWhole) {
  CloseLog();
  DamageOneRecord();
  set_recovery_policy(RecoveryPolicy::kQuarantine);
  if (IsRefusedWhole()) return;
  OpenLog();
  const SequenceNumber past = log().Describe().opening.damaged.at(0).last;
  MarkDeleted(1, past);
  for (const bool restarted : {false, true}) {
    if (restarted) RestartEngine();
    const auto records = ReadTable(log(), 1);
    ASSERT_TRUE(records.ok()) << records.status();
    EXPECT_EQ(*records, ledger().Live(1));
    // The lost record may have been of any table, so a read that begins before it still says so.
    EXPECT_ERROR(ReadAll(log(), ReadRange{}).status(), kDataLoss, kCorruption);
    const auto behind = ReadAll(log(), ReadRange{std::nullopt, past + 1, kMaxSequenceNumber});
    ASSERT_TRUE(behind.ok()) << behind.status();
    Append(1, 1);
  }
}

TEST_P(DamageTest, NumbersInsideAQuarantinedRangeAreNeverGivenAgain) {
  CloseLog();
  const StoredRecord victim = ledger().Live(2).back();  // the newest record of the log
  const Place place = PlaceOf(victim);
  disk().FlipBit(place.path, place.offset, 0);
  set_recovery_policy(RecoveryPolicy::kQuarantine);
  if (IsRefusedWhole()) return;
  OpenLog();
  Batch batch;
  batch.table = 2;
  batch.payloads = Payloads(1);
  const BatchResult next = CommitOne(log(), batch);
  ASSERT_STATUS_OK(next.status);
  EXPECT_GT(next.first, victim.sequence);
}

TEST_P(DamageTest, DamageInAClosedLogsLastRecordIsNotTakenForATornTail) {
  CloseLog();
  const StoredRecord victim = ledger().Live(2).back();
  const Place place = PlaceOf(victim);
  disk().FlipBit(place.path, place.offset, 0);
  EXPECT_ERROR(OpenDamaged(), kDataLoss, kCorruption);
}

// Zeros inside a record look as if that part was never written. The records after it prove that it
// was.
TEST_P(DamageTest, DamageBesideZerosInTheMiddleOfACrashedLogIsNotTakenForATornTail) {
  Batch batch;
  batch.payloads = {std::string(2000, '\0') + "<zeros before it>"};
  const BatchResult victim = Try(batch);
  ASSERT_STATUS_OK(victim.status);
  Append(1, 1);
  Append(2, 1);
  disk().Kill();
  StopEngine();
  disk().Restart();
  for (const std::string& path : disk().FilesBelow(directory())) {
    const size_t at = disk().ReadWhole(path).find("<zeros before it>");
    if (at != std::string::npos) disk().FlipBit(path, at, 1);
  }
  OpenEngine();
  const absl::Status status = TryOpenLog();
  EXPECT_ERROR(status, kDataLoss, kCorruption);
  EXPECT_EQ(ErrorValue(status, "first_sequence"), std::to_string(victim.first));
  EXPECT_EQ(ErrorValue(status, "last_sequence"), std::to_string(victim.last));
}

TEST_P(OwnFilesDamageTest, DamageOfARestoredTableIsToldInItsOwnNumbers) {
  for (const TableId table : {12, 11}) {
    for (SequenceNumber number = 1; number <= 10; ++number) {
      ASSERT_STATUS_OK(
          Try({.table = table, .payloads = Payloads(1), .first_sequence = number}).status);
    }
  }
  const StoredRecord victim = ledger().Live(11)[4];
  for (const std::string& path : disk().FilesBelow(directory())) {
    const size_t at = disk().ReadWhole(path).find(victim.payload);
    if (at != std::string::npos) disk().FlipBit(path, at, 1);
  }
  const absl::Status status = ReadTable(log(), 11).status();
  EXPECT_ERROR(status, kDataLoss, kCorruption);
  EXPECT_EQ(ErrorValue(status, "first_sequence"), "5");
  const auto whole = ReadTable(log(), 12);
  ASSERT_STATUS_OK(whole.status());
  EXPECT_EQ(*whole, ledger().Live(12));
}

TEST_P(OwnFilesDamageTest, AReaderOfAnOpenRegionFindsNewDamage) {
  const StoredRecord victim = DamageOneRecord();
  for (int i = 0; i < 2; ++i) {
    EXPECT_ERROR(ReadTable(log(), 1).status(), kDataLoss, kCorruption);
  }
  const auto before = ReadAll(log(), ReadRange{1, 1, victim.sequence - 2});
  ASSERT_TRUE(before.ok()) << before.status();
  Append(1, 1);
  ASSERT_STATUS_OK(log().Health());
}

TEST_P(DamageTest, VerifyFindsTheDamageOfAnOpenAndOfAClosedRegion) {
  const StoredRecord victim = DamageOneRecord();
  std::vector<DamagedRange> findings;
  const auto collect = [&](const VerifyProgress& progress) {
    findings.insert(findings.end(), progress.findings.begin(), progress.findings.end());
    return true;
  };
  ASSERT_STATUS_OK(log().Verify(collect));
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_TRUE(Covers(findings[0], victim));
  EXPECT_NE(findings[0].file, "");
  EXPECT_GT(findings[0].length, 0u);
  EXPECT_NE(findings[0].reason, "");
  CloseLog();
  findings.clear();
  ASSERT_STATUS_OK(engine().VerifyClosedRegion(kRegion, collect));
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_TRUE(Covers(findings[0], victim));
}

// Every byte of every file, one at a time: whatever is damaged, the log is whole, or says that it
// is not; it never serves other bytes and never forgets in silence.
TEST_P(DamageTest, NoFlippedBitIsEverSilent) {
  Batch batch;
  batch.payloads = Payloads(2);
  batch.region_version = kVersion;
  batch.producer = ProducerTag{OpenProducer(), 1};
  ASSERT_STATUS_OK(Try(batch).status);
  MarkDeleted(2, 5);
  CloseLog();
  set_recovery_policy(RecoveryPolicy::kQuarantine);
  for (const std::string& path : disk().FilesBelow(directory())) {
    const std::string bytes = disk().ReadWhole(path);
    size_t used = bytes.size();
    while (used > 0 && bytes[used - 1] == 0) --used;
    const size_t step = used > 4000 ? 13 : 1;
    for (size_t offset = 0; offset < used; offset += step) {
      SCOPED_TRACE(path + " at " + std::to_string(offset));
      FlipAndLook(path, offset);
      if (HasFailure()) return;
    }
  }
}

}  // namespace
}  // namespace walden::testing
