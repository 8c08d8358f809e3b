// A process that finds the disk full when it starts.
#include "engine/rocksdb/wal/wal_parser.h"
#include "engine/wait.h"
#include "tests/unit/engine/rocksdb/holding_env.h"
#include "tests/unit/engine/rocksdb/rocksdb_fixture.h"

namespace walden {
namespace {

using testing::ReadTable;

class RocksdbFullDiskTest : public RocksdbTest {
 protected:
  void SetUp() override {
    RocksdbTest::SetUp();
    ASSERT_TRUE(Open().ok());
    for (int i = 0; i < 5; ++i) Append(1, "record " + std::to_string(i));
    ASSERT_TRUE(disk_.Exists("/data/default/walden_reserve"));
    Kill();
  }

  std::unique_ptr<rocksdb::Env> MakeEnv() override {
    auto env = std::make_unique<HoldingEnv>(RocksdbTest::MakeEnv());
    jobs_ = env.get();
    return env;
  }

  void Kill() {
    disk_.Kill();
    jobs_->LetGo();
    Stop();
    disk_.Restart();
  }

  // A new process, with not a byte left beside what is there.
  absl::Status OpenOnFullDisk() {
    disk_.SetCapacity(disk_.UsedBytes());
    OpenEngine();
    return Open();
  }

  HoldingEnv* jobs_ = nullptr;  // of env_
};

TEST_F(RocksdbFullDiskTest, ItOpensByTheReserveThatTheProcessBeforeItMade) {
  const absl::Status status = OpenOnFullDisk();
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(ReadTable(*log_, 1)->size(), 5u);
  const auto refused = testing::CommitOne(*log_, {.payloads = {std::string(1000, 'x')}});
  EXPECT_TRUE(HasReason(refused.status, ErrorReason::kDiskFull)) << refused.status;
  const auto marked = MarkTableAndWait(*log_, 1, 3, std::nullopt);
  ASSERT_TRUE(marked.ok()) << marked.status();
  EXPECT_EQ(ReadTable(*log_, 1)->size(), 2u);
  disk_.SetCapacity(UINT64_MAX);
  EXPECT_EQ(Append(1, "goes on").first, 6u);
}

TEST_F(RocksdbFullDiskTest, SeveralBuffersFullStayInTheLogWhereNoTableFits) {
  OpenEngine();
  ASSERT_TRUE(Open().ok());
  jobs_->Hold();
  size_t appended = 5;
  for (; Files(".log").size() < 3; ++appended) Append(1, std::string(1000, 'x'));
  Kill();
  const absl::Status status = OpenOnFullDisk();
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(ReadTable(*log_, 1)->size(), appended);
}

// What an opening took for durable is not missed in silence later.
TEST_F(RocksdbFullDiskTest, ALogThatStayedAndLosesItsEndLaterIsDamage) {
  OpenEngine();
  ASSERT_TRUE(Open().ok());
  jobs_->Hold();
  while (Files(".log").size() < 3) Append(1, std::string(1000, 'x'));
  for (int i = 0; i < 3; ++i) Append(1, "in the newest log, behind what was noted of it");
  Kill();
  ASSERT_TRUE(OpenOnFullDisk().ok());
  const std::vector<std::string> logs = Files(".log");
  ASSERT_GT(logs.size(), 2u);
  const std::string& old = logs[logs.size() - 2];
  disk_.SetCapacity(UINT64_MAX);
  Append(1, "in the newer log");
  Append(1, "in the newer log");
  Kill();
  const std::string bytes = disk_.ReadWhole(old);
  rocks::WalParser parser(bytes);
  rocks::WalRecord record;
  while (parser.Next(record) == rocks::WalOutcome::kRecord) {
  }
  disk_.ShrinkSize(old, bytes.size() - record.begin);
  OpenEngine();
  const absl::Status status = Open();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
}

TEST_F(RocksdbFullDiskTest, ATornTailIsCutByTheReserve) {
  disk_.ShrinkSize(Files(".log").back(), 3);
  const absl::Status status = OpenOnFullDisk();
  ASSERT_TRUE(status.ok()) << status;
  const OpeningReport report = log_->Describe().opening;
  EXPECT_EQ(report.outcome, OpeningReport::Outcome::kTornTail);
  EXPECT_EQ(ReadTable(*log_, 1)->size(), 4u);
}

TEST_F(RocksdbFullDiskTest, ZerosBehindTheLastRecordAreCutByTheReserve) {
  auto file = disk_.OpenFile(Files(".log").back(), FileSystem::OpenMode::kReadWrite);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->Allocate(*(*file)->Size() + 5).ok());
  const absl::Status status = OpenOnFullDisk();
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(ReadTable(*log_, 1)->size(), 5u);
}

TEST_F(RocksdbFullDiskTest, WhatATornTailFindsNoRoomForLeavesNothingBehind) {
  ASSERT_TRUE(disk_.RemoveFile("/data/default/walden_reserve").ok());
  disk_.ShrinkSize(Files(".log").back(), 3);
  const std::vector<std::string> before = disk_.FilesBelow("/data/default");
  const absl::Status status = OpenOnFullDisk();
  EXPECT_TRUE(HasReason(status, ErrorReason::kDiskFull)) << status;
  EXPECT_EQ(disk_.FilesBelow("/data/default"), before);
  disk_.SetCapacity(UINT64_MAX);
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(ReadTable(*log_, 1)->size(), 4u);
}

class RocksdbRunningFullTest : public RocksdbTest {
 protected:
  // Leaves the log as it is once RocksDB's threads found no room for a table file, and the disk
  // full.
  void FillDiskAtAFlush() {
    Append(1, "waits for its table file");
    disk_.Inject({.operations = testing::file_op::kCreate,
                  .times = testing::Fault::kForever,
                  .error_number = ENOSPC,
                  .path_part = ".sst"});
    EXPECT_FALSE(engine_->ReclaimNow().ok());
    disk_.SetCapacity(disk_.UsedBytes());
    const absl::Status refused = testing::CommitOne(*log_, {.payloads = {"x"}}).status;
    EXPECT_TRUE(HasReason(refused, ErrorReason::kDiskFull)) << refused;
  }

  void MakeRoom() {
    disk_.SetCapacity(UINT64_MAX);
    disk_.ClearFaults();
  }
};

// What no table file holds for want of a line in the manifest is in the log.
TEST_F(RocksdbRunningFullTest, AppendsGoOnByThemselvesAfterTheManifestFoundNoRoom) {
  ASSERT_TRUE(Open().ok());
  Append(1, "before");
  disk_.Inject(
      {.operations = testing::file_op::kWrite, .error_number = ENOSPC, .path_part = "MANIFEST"});
  EXPECT_FALSE(engine_->ReclaimNow().ok());
  disk_.ClearFaults();
  EXPECT_EQ(Append(1, "goes on").first, 2u);
  EXPECT_EQ(ReadTable(*log_, 1)->size(), 2u);
}

// The disk fills up inside a write: whether the write is stored, nobody knows.
TEST_F(RocksdbRunningFullTest, AWriteThatMetAFullDiskFailsTheNamespaceUntilItIsReopened) {
  ASSERT_TRUE(Open().ok());
  auto other = OpenRegion(2);
  ASSERT_TRUE(other.ok()) << other.status();
  Append(1, "before");
  Append(1, "other's", other->get());
  const uint64_t producer = OpenProducerAndWait(*log_, std::nullopt).value();
  disk_.FailNth(1, testing::file_op::kWrite, ENOSPC);
  const testing::Batch batch{.payloads = {"unknown"}, .producer = ProducerTag{producer, 1}};
  const absl::Status failed = testing::CommitOne(*log_, batch).status;
  EXPECT_TRUE(HasReason(failed, ErrorReason::kRegionFailed)) << failed;
  EXPECT_TRUE(absl::IsFailedPrecondition(failed)) << failed;
  EXPECT_TRUE(HasReason((*other)->Health(), ErrorReason::kRegionFailed));
  EXPECT_EQ(ReadTable(*log_, 1)->size(), 1u) << "reads work";
  disk_.ClearFaults();
  EXPECT_TRUE(HasReason(testing::CommitOne(*log_, batch).status, ErrorReason::kRegionFailed));
  log_.reset();
  other->reset();
  ASSERT_TRUE(Open().ok());
  other = OpenRegion(2);
  ASSERT_TRUE(other.ok()) << other.status();
  ASSERT_TRUE(testing::CommitOne(*log_, batch).status.ok());
  EXPECT_EQ(ReadTable(*log_, 1)->size(), 2u) << "stored once, by the first attempt or the second";
  EXPECT_EQ(ReadTable(**other, 1)->size(), 1u);
  Append(1, "other's", other->get());
}

// "Not stored" is said of nothing that can be there after a crash.
TEST_F(RocksdbRunningFullTest, NoAppendThatIsThereAfterACrashWasAnsweredWithDiskFull) {
  // What a failed sync leaves in the file is chance.
  for (int attempt = 0; attempt < 30; ++attempt) {
    ASSERT_TRUE(Open().ok());
    const size_t before = ReadTable(*log_, 1)->size();
    // Of the log only: an automatic compaction may run meanwhile.
    disk_.Inject(
        {.operations = attempt % 5 == 0 ? testing::file_op::kWrite : testing::file_op::kSync,
         .error_number = ENOSPC,
         .path_part = ".log"});
    const absl::Status failed = testing::CommitOne(*log_, {.payloads = {"unknown"}}).status;
    ASSERT_FALSE(failed.ok());
    disk_.ClearFaults();
    disk_.Kill();
    Stop();
    disk_.Restart();
    OpenEngine();
    ASSERT_TRUE(Open().ok());
    const bool is_stored = ReadTable(*log_, 1)->size() > before;
    ASSERT_FALSE(is_stored && HasReason(failed, ErrorReason::kDiskFull)) << failed;
    Append(1, "goes on");
  }
}

TEST_F(RocksdbRunningFullTest, AppendsAndMarksGoOnByThemselvesAfterNoTableFileCouldBeWritten) {
  ASSERT_TRUE(Open().ok());
  size_t appended = 0;
  disk_.FailAll(testing::file_op::kCreate, ENOSPC);
  absl::Status refused;
  // RocksDB meets it in the background, when a buffer is full.
  for (; refused.ok() && appended < 1000; ++appended) {
    refused = testing::CommitOne(*log_, {.payloads = {std::string(1000, 'x')}}).status;
  }
  --appended;
  ASSERT_FALSE(refused.ok());
  disk_.ClearFaults();
  if (HasReason(refused, ErrorReason::kRegionFailed)) {  // the write itself needed a file
    log_.reset();
    ASSERT_TRUE(Open().ok());
    appended = ReadTable(*log_, 1)->size();
  }
  ASSERT_TRUE(MarkTableAndWait(*log_, 1, 3, std::nullopt).ok());
  Append(1, "goes on");
  EXPECT_EQ(ReadTable(*log_, 1)->size(), appended - 3 + 1);
}

TEST_F(RocksdbRunningFullTest, AMarkThatCannotReadWhatFollowsItChangesNothing) {
  ASSERT_TRUE(Open().ok());
  for (int i = 0; i < 200; ++i) Append(1, std::string(1000, 'x'));
  ASSERT_TRUE(CloseAndWait(*log_).ok());
  OpenEngine();
  ASSERT_TRUE(Open().ok());
  disk_.FailAll(testing::file_op::kRead | testing::file_op::kMap, EIO);
  const auto failed = MarkTableAndWait(*log_, 1, 60, 9);
  EXPECT_TRUE(absl::IsUnavailable(failed.status())) << failed.status();
  disk_.ClearFaults();
  for (const bool again : {false, true}) {
    if (again) {
      log_.reset();
      OpenEngine();
      ASSERT_TRUE(Open().ok());
    }
    EXPECT_EQ(log_->Position(1).deleted_through, 0u);
    EXPECT_EQ(log_->Describe().region_version, 0u);
    EXPECT_EQ(ReadTable(*log_, 1)->size(), 200u);
  }
  EXPECT_EQ(*MarkTableAndWait(*log_, 1, 60, 9), 60u);
}

// A synced write to a new log names the old one in the manifest, after it is stored itself.
class RocksdbManifestFullTest : public RocksdbTest {
 protected:
  std::unique_ptr<rocksdb::Env> MakeEnv() override {
    auto env = std::make_unique<HoldingEnv>(RocksdbTest::MakeEnv());
    jobs_ = env.get();
    return env;
  }
  void TearDown() override {
    jobs_->LetGo();
    RocksdbTest::TearDown();
  }

  HoldingEnv* jobs_ = nullptr;  // of env_
};

TEST_F(RocksdbManifestFullTest, AStoredWriteIsNotAnsweredWithDiskFull) {
  ASSERT_TRUE(Open().ok());
  jobs_->Hold();
  disk_.Inject({.operations = testing::file_op::kWrite,
                .times = testing::Fault::kForever,
                .error_number = ENOSPC,
                .path_part = "MANIFEST"});
  size_t stored = 0;
  absl::Status failed;
  for (; failed.ok() && stored < 1000; stored += failed.ok()) {
    failed = testing::CommitOne(*log_, {.payloads = {std::string(1000, 'x')}}).status;
  }
  ASSERT_FALSE(failed.ok());
  disk_.ClearFaults();
  disk_.Kill();
  jobs_->LetGo();
  Stop();
  disk_.Restart();
  OpenEngine();
  ASSERT_TRUE(Open().ok());
  const bool is_stored = ReadTable(*log_, 1)->size() > stored;
  EXPECT_FALSE(is_stored && HasReason(failed, ErrorReason::kDiskFull)) << failed;
  EXPECT_TRUE(HasReason(failed, ErrorReason::kRegionFailed)) << failed;
}

// What a large append wrote is in the log, though its sync came too late.
TEST_F(RocksdbRunningFullTest, AnAppendOfWhichAPortionIsStoredIsNotAnsweredWithDiskFull) {
  ASSERT_TRUE(Open().ok());
  Append(1, std::string(80'000, 'x'));  // fills a buffer, which the next write sends off
  disk_.Inject({.operations = testing::file_op::kCreate,
                .times = testing::Fault::kForever,
                .error_number = ENOSPC,
                .path_part = ".sst"});
  const absl::Status failed =
      testing::CommitOne(*log_, {.payloads = {std::string(65 << 20, 'x')}}).status;
  ASSERT_FALSE(failed.ok());
  disk_.ClearFaults();
  log_.reset();
  ASSERT_TRUE(Open().ok());
  const bool is_stored = ReadTable(*log_, 1)->size() > 1;
  EXPECT_FALSE(is_stored && HasReason(failed, ErrorReason::kDiskFull)) << failed;
  EXPECT_TRUE(is_stored) << failed;
}

// "Nothing was stored" is not said of a batch that is.
TEST_F(RocksdbRunningFullTest, ARetryOverTheQuotaIsAnsweredWithItsNumbers) {
  DiskQuotas quotas("default");
  quotas_ = &quotas;
  OpenEngine();
  ASSERT_TRUE(Open().ok());
  const uint64_t producer = *OpenProducerAndWait(*log_, std::nullopt);
  testing::Batch batch{.payloads = {"x"}, .producer = ProducerTag{producer, 1}};
  ASSERT_TRUE(testing::CommitOne(*log_, batch).status.ok());
  quotas.SetLimits({.whole = 1});
  ASSERT_TRUE(engine_->CountDiskUsage().ok());
  const testing::BatchResult retried = testing::CommitOne(*log_, batch);
  EXPECT_TRUE(retried.status.ok()) << retried.status;
  EXPECT_TRUE(retried.duplicate);
  EXPECT_EQ(retried.first, 1u);
  batch.producer->sequence = 2;
  const absl::Status refused = testing::CommitOne(*log_, batch).status;
  EXPECT_TRUE(HasReason(refused, ErrorReason::kQuotaExceeded)) << refused;
  EXPECT_TRUE(
      HasReason(OpenProducerAndWait(*log_, std::nullopt).status(), ErrorReason::kQuotaExceeded));
  Stop();
}

TEST_F(RocksdbRunningFullTest, ARetryWhileThereIsNoRoomIsAnsweredWithItsNumbers) {
  ASSERT_TRUE(Open().ok());
  const uint64_t producer = *OpenProducerAndWait(*log_, std::nullopt);
  const testing::Batch stored{.payloads = {"x"}, .producer = ProducerTag{producer, 1}};
  ASSERT_TRUE(testing::CommitOne(*log_, stored).status.ok());
  FillDiskAtAFlush();
  const testing::Batch refused{.payloads = {"y"}, .producer = ProducerTag{producer, 2}};
  for (int i = 0; i < 2; ++i) {
    const testing::BatchResult retried = testing::CommitOne(*log_, stored);
    EXPECT_TRUE(retried.status.ok()) << retried.status;
    EXPECT_TRUE(retried.duplicate);
    EXPECT_EQ(retried.first, 1u);
    const absl::Status status = testing::CommitOne(*log_, refused).status;
    EXPECT_TRUE(HasReason(status, ErrorReason::kDiskFull)) << status;
  }
  MakeRoom();
  const testing::BatchResult later = testing::CommitOne(*log_, refused);
  EXPECT_TRUE(later.status.ok()) << later.status;
  EXPECT_FALSE(later.duplicate);
}

TEST_F(RocksdbRunningFullTest, TheNextNumberIsWhatTheNextAppendGetsAfterOneThatWasRefused) {
  ASSERT_TRUE(Open().ok());
  FillDiskAtAFlush();
  MakeRoom();
  ASSERT_TRUE(MarkTableAndWait(*log_, 1, 1, std::nullopt).ok());
  const SequenceNumber next = log_->Position(1).next;
  EXPECT_EQ(testing::CommitOne(*log_, {.payloads = {"x"}}).first, next);
}

// The time for which BUFFERED records wait at most holds without another append, too.
TEST_F(RocksdbRunningFullTest, WhatWaitsIsSyncedAfterNoTableFileCouldBeWritten) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(testing::CommitOne(*log_, {.payloads = {"x"}, .durability = Durability::kBuffered})
                  .status.ok());
  disk_.Inject({.operations = testing::file_op::kCreate,
                .times = testing::Fault::kForever,
                .error_number = ENOSPC,
                .path_part = ".sst"});
  EXPECT_FALSE(engine_->ReclaimNow().ok());
  disk_.ClearFaults();
  const absl::Status synced = SyncAndWait(*log_);
  EXPECT_TRUE(synced.ok()) << synced;
  EXPECT_FALSE(log_->HasUnsynced());
  disk_.PowerCut(testing::PowerLoss::kNothing);
  Stop();
  disk_.Restart();
  OpenEngine();
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(ReadTable(*log_, 1)->size(), 1u);
}

}  // namespace
}  // namespace walden
