// Files that fail while a namespace is opened or written, and machines that lose power between any
// two steps.
#include <map>

#include "engine/wait.h"
#include "tests/unit/engine/rocksdb/rocksdb_fixture.h"

namespace walden {
namespace {

using testing::Fault;
using testing::ReadTable;
namespace file_op = testing::file_op;

class RocksdbFailingFilesTest : public RocksdbTest {
 protected:
  testing::BatchResult TryAppend(const std::string& payload) {
    return testing::CommitOne(*log_, {.table = 1, .payloads = {payload}});
  }
};

TEST_F(RocksdbFailingFilesTest, ASyncThatFindsTheDiskFullFailsTheRegionAndNothingTouchesTheLog) {
  ASSERT_TRUE(Open().ok());
  Append(1, "before");
  const std::string log = Files(".log").back();
  disk_.Inject({.operations = file_op::kSync, .error_number = ENOSPC, .path_part = ".log"});
  const testing::BatchResult failed = TryAppend("outcome unknown");
  EXPECT_TRUE(HasReason(failed.status, ErrorReason::kRegionFailed)) << failed.status;
  EXPECT_FALSE(HasReason(failed.status, ErrorReason::kDiskFull)) << failed.status;
  const std::string bytes = disk_.ReadWhole(log);
  EXPECT_TRUE(HasReason(TryAppend("refused").status, ErrorReason::kRegionFailed));
  EXPECT_TRUE(HasReason(log_->Health(), ErrorReason::kRegionFailed));
  EXPECT_TRUE(disk_.ReadWhole(log) == bytes) << "the log was written to after its sync failed";
}

TEST_F(RocksdbFailingFilesTest, ALockThatCannotBeTakenNowIsTakenLater) {
  Stop();
  disk_.Inject({.operations = file_op::kLock, .times = 2, .error_number = EACCES});
  ASSERT_TRUE(TryOpenEngine().ok());
  EXPECT_TRUE(HasReason(Open(), ErrorReason::kIoError));
  EXPECT_TRUE(Open().ok());
}

// RocksDB opens CURRENT several times, and blames something else when that fails.
TEST_F(RocksdbFailingFilesTest, ACurrentThatCannotBeOpenedNowIsNoDamage) {
  ASSERT_TRUE(Open().ok());
  Append(1, "acknowledged");
  ASSERT_TRUE(CloseAndWait(*log_).ok());
  uint64_t failed = 0;
  for (uint64_t nth = 1; nth == failed + 1; ++nth) {
    SCOPED_TRACE(nth);
    Stop();
    disk_.FailNth(1, file_op::kLock, EACCES);
    OpenEngine();  // nothing was opened yet
    disk_.Inject(
        {.operations = file_op::kOpen, .nth = nth, .error_number = EIO, .path_part = "CURRENT"});
    const absl::Status status = Open();
    disk_.ClearFaults();
    if (status.ok()) continue;
    ++failed;
    EXPECT_TRUE(HasReason(status, ErrorReason::kIoError)) << status;
    ASSERT_TRUE(Open().ok());
  }
  EXPECT_GT(failed, 2u);
  EXPECT_EQ(ReadTable(*log_, 1)->size(), 1u);
}

TEST_F(RocksdbFailingFilesTest, AFileThatCannotBeReadNowIsReadLater) {
  ASSERT_TRUE(Open().ok());
  Append(1, "a");
  ASSERT_TRUE(CloseAndWait(*log_).ok());
  Stop();
  for (const char* part : {"MANIFEST", "CURRENT", "walden_files", ".log"}) {
    disk_.Inject(
        {.operations = file_op::kOpen, .times = 2, .error_number = EIO, .path_part = part});
    ASSERT_TRUE(TryOpenEngine().ok());
    EXPECT_TRUE(HasReason(Open(), ErrorReason::kIoError)) << part;
    disk_.ClearFaults();
    const absl::Status opened = Open();
    ASSERT_TRUE(opened.ok()) << part << ": " << opened;
    EXPECT_EQ(ReadTable(*log_, 1)->size(), 1u);
    Stop();
  }
}

// A machine whose namespace lives until power fails at its `nth` change, and what is left of it.
class CutLife {
 public:
  explicit CutLife(uint64_t nth) : disk_(nth) {
    EXPECT_TRUE(disk_.CreateDirectory("/data").ok());
    EXPECT_TRUE(disk_.SyncDirectory("/").ok());
    disk_.CrashAt(nth, testing::Crash::kPowerCut);
    Live();
    Stop();
  }

  bool was_cut() const { return disk_.crashed(); }

  // Every acknowledged record is there, and no cut looks like damage.
  void CheckWhatIsLeft() {
    disk_.CancelCrash();
    if (was_cut()) disk_.Restart();
    const absl::Status opened = Open();
    ASSERT_TRUE(opened.ok()) << opened;
    const auto records = ReadTable(*log_, 1);
    ASSERT_TRUE(records.ok()) << records.status();
    EXPECT_GE(records->size(), acknowledged_);
    Stop();
  }

 private:
  static constexpr int kRecords = 60;

  absl::Status Open() {
    env_ = testing::MakeRocksdbEnv(&disk_);
    auto engine = RocksdbEngine::Open({.file_system = &disk_,
                                       .clock = Clock::Real(),
                                       .env = env_.get(),
                                       .data_directory = "/data",
                                       .namespace_name = "default",
                                       .tuning = {.write_buffer_bytes = 64 << 10,
                                                  .max_total_wal_bytes = 256 << 10,
                                                  .block_cache_bytes = 64 << 10,
                                                  .reclaim_bytes = 64 << 10,
                                                  .reserve_bytes = 64 << 10}});
    if (!engine.ok()) return engine.status();
    engine_ = *std::move(engine);
    auto log = OpenRegionAndWait(*engine_, 1, RegionOptions(), /*create=*/true);
    if (log.ok()) log_ = *std::move(log);
    return log.status();
  }

  // Enough for several table files and log files, an idle time, and an opening after a clean close.
  void Live() {
    for (int round = 0; round < 2; ++round) {
      if (!Open().ok()) return;
      for (int i = 0; i < kRecords; ++i) {
        const std::string payload(4000, static_cast<char>('a' + i % 26));
        if (!testing::CommitOne(*log_, {.table = 1, .payloads = {payload}}).status.ok()) return;
        ++acknowledged_;
        if (i % 16 == 0 && !NoteDurableAndWait(*log_).ok()) return;
      }
      if (!CloseAndWait(*log_).ok()) return;
      Stop();
    }
  }

  void Stop() {
    log_.reset();
    engine_.reset();
    env_.reset();
  }

  testing::FaultFileSystem disk_;
  std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<RocksdbEngine> engine_;
  std::unique_ptr<RegionLog> log_;
  size_t acknowledged_ = 0;
};

TEST(RocksdbPowerCutTest, NoCutBetweenAnyTwoStepsLosesARecordOrLooksLikeDamage) {
  bool was_cut = true;
  for (uint64_t nth = 1; was_cut; nth += 1 + nth / 24) {
    SCOPED_TRACE(nth);
    CutLife life(nth);
    was_cut = life.was_cut();
    life.CheckWhatIsLeft();
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace walden
