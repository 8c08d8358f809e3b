// Disks that are full or fail, while nothing crashes.
#include "absl/strings/match.h"
#include "base/error.h"
#include "engine/wait.h"
#include "tests/conformance/log_fixture.h"

namespace walden::testing {
namespace {

INSTANTIATE_TEST_SUITE_P(Engines, LogFaultTest, ::testing::ValuesIn(FaultFileSettings()),
                         SettingName);

class OwnFilesFaultTest : public LogFaultTest {};
INSTANTIATE_TEST_SUITE_P(Engines, OwnFilesFaultTest,
                         ::testing::ValuesIn(SettingsWith(FaultFileSettings(),
                                                          [](const EngineUnderTest& engine) {
                                                            return engine.regions_have_own_files;
                                                          })),
                         SettingName);

TEST_P(LogFaultTest, AFullDiskRefusesAppendsUntilThereIsRoomAgain) {
  CloseLog();
  ASSERT_TRUE(DropRegionAndWait(engine(), kRegion).ok());
  set_segment_size(16 << 10);
  OpenLog();
  disk().SetCapacity(disk().UsedBytes() + (96 << 10));
  absl::Status refused;
  for (int i = 0; i < 2000 && refused.ok(); ++i) {
    Batch batch;
    batch.payloads = Payloads(3);
    refused = Try(batch).status;
  }
  EXPECT_ERROR(refused, kResourceExhausted, kDiskFull);
  ASSERT_STATUS_OK(log().Health());
  ExpectLogHoldsLedger();
  Batch batch;
  batch.payloads = {std::string(4000, 'x')};
  EXPECT_ERROR(Try(batch).status, kResourceExhausted, kDiskFull);

  MarkDeleted(1, ledger().Next(1) - 2);  // works on a full disk, and makes room
  ExpectLogHoldsLedger();
  const BatchResult resumed = Try(batch);
  ASSERT_STATUS_OK(resumed.status);
  ExpectLogHoldsLedger();

  disk().SetCapacity(UINT64_MAX);
  for (int i = 0; i < 50; ++i) Append(1, 3);
  ExpectLogHoldsLedger();
  RestartEngine();
  ExpectLogHoldsLedger();
}

TEST_P(LogFaultTest, ManyMarksCanBeMadeOnAFullDisk) {
  for (TableId table = 1; table <= 20; ++table) {
    for (int i = 0; i < 5; ++i) Append(table, 4);
  }
  disk().SetCapacity(disk().UsedBytes());
  for (SequenceNumber through = 1; through <= 400; through += 3) {
    for (TableId table = 1; table <= 20; ++table) {
      if (ledger().Live(table).empty() || through < ledger().Live(table).front().sequence) continue;
      MarkDeleted(table, through);
    }
    if (HasFailure()) break;
  }
  ExpectLogHoldsLedger();
  RestartEngine();
  ExpectLogHoldsLedger();
}

// Makes more marks than fit the room that an engine set aside for them.
TEST_P(LogFaultTest, ThousandsOfMarksCanBeMadeOnAFullDisk) {
  const int records = GetParam().load == Load::kLarge ? 2 : 200;
  for (int stored = 0; stored < 5000; stored += records) Append(1, records);
  Append(2, 1);
  disk().SetCapacity(disk().UsedBytes());
  for (const StoredRecord& record : ledger().Live(1)) {
    const auto mark = MarkTableAndWait(log(), 1, record.sequence, std::nullopt);
    ASSERT_STATUS_OK(mark.status());
    ledger().MarkedDeleted(1, *mark);
  }
  ExpectLogHoldsLedger();
  RestartEngine();
  ExpectLogHoldsLedger();
}

TEST_P(LogFaultTest, AFullDiskBurnsNoNumbersThatAReaderCouldSeeFilled) {
  Append(1, 1);
  disk().FailAll(file_op::kAllocate | file_op::kCreate, ENOSPC);
  bool is_unknown = false;
  for (int i = 0; i < 300 && !is_unknown; ++i) {
    Batch batch;
    batch.payloads = {std::string(15000, 'x')};
    if (const BatchResult result = Try(batch); !result.status.ok()) {
      EXPECT_EQ(result.first, 0u);
      // If the write itself meets the full disk, it is unknown whether it is stored.
      is_unknown = HasReason(result.status, ErrorReason::kRegionFailed);
      if (!is_unknown) EXPECT_ERROR(result.status, kResourceExhausted, kDiskFull);
    }
  }
  disk().ClearFaults();
  if (is_unknown) {
    (void)CloseAndWait(log());
    OpenLog();
    const auto records = ReadTable(log(), 1);
    ASSERT_TRUE(records.ok()) << records.status();
    const size_t known = ledger().Live(1).size();
    ASSERT_LE(records->size(), known + 1);
    if (records->size() > known) {
      const StoredRecord& stored = records->back();
      ledger().Appended(1, {.first = stored.sequence, .last = stored.sequence}, {stored.payload});
    }
  }
  Append(1, 1);
  ExpectLogHoldsLedger();
  RestartEngine();
  ExpectLogHoldsLedger();
}

// After a failed group, whole batches of it from its beginning on may be stored.
class AfterFailure {
 public:
  static void Check(RegionLog& log, const Ledger& before, const std::vector<Batch>& unknown) {
    const auto records = ReadTable(log, 1);
    ASSERT_TRUE(records.ok()) << records.status();
    const std::vector<StoredRecord> known = before.Live(1);
    ASSERT_GE(records->size(), known.size()) << "lost what was durable";
    size_t at = 0;
    for (; at < known.size(); ++at) ASSERT_EQ((*records)[at], known[at]);
    for (const Batch& batch : unknown) {
      if (at == records->size()) return;
      for (const std::string& payload : batch.payloads) {
        ASSERT_LT(at, records->size()) << "a part of a batch";
        ASSERT_EQ((*records)[at++].payload, payload);
      }
    }
    ASSERT_EQ(at, records->size()) << "records from nowhere";
  }
};

TEST_P(LogFaultTest, AFailedSyncPoisonsTheRegionUntilItIsReopenedWhileReadsStillWork) {
  for (int i = 0; i < 5; ++i) Append(1, 2);
  disk().FailNth(1, file_op::kSync, EIO);
  std::vector<Batch> unknown(2);
  for (Batch& batch : unknown) batch.payloads = Payloads(2);
  for (const BatchResult& result : CommitGroup(log(), unknown)) {
    EXPECT_ERROR(result.status, kFailedPrecondition, kRegionFailed);
  }
  EXPECT_ERROR(log().Health(), kFailedPrecondition, kRegionFailed);
  // The disk works again, but nothing is acknowledged: it is unknown what it holds.
  Batch batch;
  batch.payloads = Payloads(1);
  EXPECT_ERROR(CommitOne(log(), batch).status, kFailedPrecondition, kRegionFailed);
  batch.durability = Durability::kBuffered;
  EXPECT_ERROR(CommitOne(log(), batch).status, kFailedPrecondition, kRegionFailed);
  EXPECT_FALSE(SyncAndWait(log()).ok());
  const auto records = ReadTable(log(), 1);
  ASSERT_TRUE(records.ok()) << records.status();
  EXPECT_EQ(*records, ledger().Live(1));
  (void)CloseAndWait(log());  // may say that it failed
  StopEngine();
  OpenEngine();
  OpenLogAfterFailedSync();
  AfterFailure::Check(log(), ledger(), unknown);
  ASSERT_STATUS_OK(log().Health());
  batch.durability = Durability::kSync;
  ASSERT_STATUS_OK(CommitOne(log(), batch).status);
}

// After a failed sync the cache may show bytes that no later sync writes. All records that the
// reopened region returns must still survive a power cut.
TEST_P(LogFaultTest, WhatAReopenedRegionServesAfterAFailedSyncSurvivesAPowerCut) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    FaultFileSystem machine(seed);
    ASSERT_STATUS_OK(machine.CreateDirectory("/data"));
    ASSERT_STATUS_OK(machine.SyncDirectory("/"));
    auto engine = GetParam().engine->open(&machine, "/data/default");
    ASSERT_TRUE(engine.ok()) << engine.status();
    auto log = OpenOwned(**engine, kRegion, options(), /*create=*/true);
    ASSERT_TRUE(log.ok()) << log.status();
    Batch batch;
    for (int i = 0; i < 3; ++i) {
      batch.payloads = Payloads(2);
      ASSERT_STATUS_OK(CommitOne(**log, batch).status);
    }
    machine.FailNth(1, file_op::kSync, EIO);
    batch.payloads = Payloads(3);
    EXPECT_FALSE(CommitOne(**log, batch).status.ok());
    (void)CloseAndWait(**log);
    log->reset();
    for (int attempt = 0; attempt == 0 || (attempt < 2 && !log.ok()); ++attempt) {
      log = OpenOwned(**engine, kRegion, options(), /*create=*/true);
    }
    ASSERT_TRUE(log.ok()) << log.status();
    batch.payloads = Payloads(2);
    ASSERT_STATUS_OK(CommitOne(**log, batch).status);
    const auto served = ReadTable(**log, 1);
    ASSERT_TRUE(served.ok()) << served.status();

    machine.PowerCut(PowerLoss::kAll);
    log->reset();
    engine->reset();
    machine.Restart();
    engine = GetParam().engine->open(&machine, "/data/default");
    ASSERT_TRUE(engine.ok()) << engine.status();
    log = OpenOwned(**engine, kRegion, options(), /*create=*/true);
    ASSERT_TRUE(log.ok()) << log.status();
    const auto found = ReadTable(**log, 1);
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(*found, *served);
  }
}

TEST_P(LogFaultTest, AFailedWriteNeverAcknowledgesNorCorrupts) {
  for (uint64_t nth = 1; nth <= 12; ++nth) {
    SCOPED_TRACE(nth);
    for (int i = 0; i < 2; ++i) Append(1, 2);
    disk().FailNth(nth, file_op::kWrite | file_op::kSync, EIO);
    std::vector<Batch> unknown;
    for (int i = 0; i < 15; ++i) {
      Batch batch;
      batch.payloads = Payloads(2);
      batch.durability = i % 3 == 0 ? Durability::kSync : Durability::kBuffered;
      const BatchResult result = CommitOne(log(), batch);
      if (result.status.ok() && result.durable) {
        for (const Batch& earlier : unknown) {
          ADD_FAILURE() << "acknowledged after a failure: " << earlier.payloads.size();
        }
        ledger().Appended(1, result, batch.payloads);
      } else {
        if (!result.status.ok()) EXPECT_ERROR(result.status, kFailedPrecondition, kRegionFailed);
        unknown.push_back(batch);
        if (result.status.ok()) {
          // The batch is buffered and answered. A sync makes it durable, so that the ledger stays
          // simple.
          if (SyncAndWait(log()).ok()) {
            unknown.pop_back();
            ledger().Appended(1, result, batch.payloads);
          }
        }
      }
    }
    disk().ClearFaults();
    (void)CloseAndWait(log());
    StopEngine();
    OpenEngine();
    OpenLogAfterFailedSync();
    AfterFailure::Check(log(), ledger(), unknown);
    if (HasFatalFailure()) return;
    // Begins anew: the ledger does not know which unknown batches are stored.
    CloseLog();
    ASSERT_TRUE(DropRegionAndWait(engine(), kRegion).ok());
    ledger() = Ledger();
    OpenLog();
  }
}

TEST_P(LogFaultTest, AnIoErrorWhileOpeningIsAnErrorNotAnEmptyLog) {
  for (int i = 0; i < 30; ++i) Append(1 + i % 3, 3);
  MarkDeleted(2, 20);
  CloseLog();
  for (uint64_t nth = 1; nth < 1000; ++nth) {
    SCOPED_TRACE(nth);
    const uint64_t before = disk().faults_hit();
    disk().FailNth(nth, file_op::kOpen | file_op::kRead | file_op::kList | file_op::kMap, EIO);
    const absl::Status status = TryOpenLog();
    const bool hit = disk().faults_hit() > before;
    disk().ClearFaults();
    if (status.ok()) {
      ExpectLogHoldsLedger();
      CloseLog();
    } else {
      EXPECT_ERROR(status, kUnavailable, kIoError);
      OpenLog();
      ExpectLogHoldsLedger();
      CloseLog();
    }
    if (HasFailure()) return;
    if (!hit) return;
  }
  FAIL() << "opening never ended";
}

TEST_P(LogFaultTest, AFailingChangeWhileOpeningLosesNothing) {
  for (int i = 0; i < 30; ++i) Append(1 + i % 3, 3);
  MarkDeleted(2, 20);
  StopEngine();  // not closed: opening has something to do
  for (uint64_t nth = 1; nth < 100; ++nth) {
    SCOPED_TRACE(nth);
    OpenEngine();
    const uint64_t before = disk().faults_hit();
    disk().FailNth(nth, file_op::kChanges, nth % 2 == 0 ? EIO : ENOSPC);
    const absl::Status status = TryOpenLog();
    const bool hit = disk().faults_hit() > before;
    disk().ClearFaults();
    if (!status.ok()) {
      EXPECT_TRUE(HasReason(status, ErrorReason::kIoError) ||
                  HasReason(status, ErrorReason::kDiskFull) ||
                  HasReason(status, ErrorReason::kRegionFailed))
          << status;
      OpenLog();
    }
    ExpectLogHoldsLedger();
    StopEngine();
    if (HasFailure()) return;
    if (!hit) return;
  }
}

TEST_P(LogFaultTest, AnUnreadableSectorFailsTheReadOfItsRecordsOnly) {
  for (int i = 0; i < 8; ++i) Append(1, 2);
  const std::vector<StoredRecord> live = ledger().Live(1);
  const std::string& victim = live[live.size() / 2].payload;
  bool found = false;
  for (const std::string& path : disk().FilesBelow(directory())) {
    const size_t at = disk().ReadWhole(path).find(victim);
    if (at == std::string::npos) continue;
    disk().MakeUnreadable(path, at, 1);
    found = true;
  }
  ASSERT_TRUE(found) << "the test looks for payload bytes in files";
  const auto records = ReadTable(log(), 1);
  if (!records.ok()) {
    EXPECT_ERROR(records.status(), kUnavailable, kIoError);
  } else {
    EXPECT_EQ(*records, live) << "served from memory: then all of it";
  }
  disk().ClearFaults();
  ExpectLogHoldsLedger();
}

TEST_P(OwnFilesFaultTest, OneBrokenRegionDoesNotStopAnother) {
  auto other = OpenOwned(engine(), 8, options(), /*create=*/true);
  ASSERT_TRUE(other.ok()) << other.status();
  Fault fault;
  fault.operations = file_op::kWrite | file_op::kSync;
  fault.path_part = "/8/";
  disk().Inject(fault);
  Batch batch;
  batch.payloads = Payloads(1);
  EXPECT_FALSE(CommitOne(**other, batch).status.ok());
  EXPECT_FALSE((*other)->Health().ok());
  Append(1, 2);
  ExpectLogHoldsLedger();
  ASSERT_STATUS_OK(log().Health());
}

}  // namespace
}  // namespace walden::testing
