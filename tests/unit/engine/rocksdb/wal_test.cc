// Judging the end of RocksDB's write-ahead log after a crash.
#include "engine/rocksdb/wal/wal_repair.h"

#include <map>

#include "absl/strings/str_split.h"
#include "engine/wait.h"
#include "tests/unit/engine/rocksdb/rocksdb_fixture.h"

namespace walden {
namespace {

using testing::ReadTable;

class RocksdbWalTest : public RocksdbTest {
 protected:
  void SetUp() override {
    RocksdbTest::SetUp();
    ASSERT_TRUE(Open().ok());
    for (int i = 0; i < 5; ++i) Append(1, "record " + std::to_string(i));
  }

  void Kill() {
    disk_.Kill();
    Stop();
    disk_.Restart();
  }

  // What was logged stays in its files.
  void OpenWithoutRoomForTables() {
    disk_.Inject({.operations = testing::file_op::kCreate | testing::file_op::kWrite,
                  .times = testing::Fault::kForever,
                  .error_number = ENOSPC,
                  .path_part = ".sst"});
    OpenEngine();
    const absl::Status status = Open();
    ASSERT_TRUE(status.ok()) << status;
  }

  void AppendBuffered(TableId table, const std::string& payload) {
    const testing::BatchResult result = testing::CommitOne(
        *log_, {.table = table, .payloads = {payload}, .durability = Durability::kBuffered});
    ASSERT_TRUE(result.status.ok()) << result.status;
  }

  std::string PathOf(const std::string& payload, uint64_t* offset) {
    for (const std::string& path : Files(".log")) {
      const size_t at = disk_.ReadWhole(path).find(payload);
      if (at == std::string::npos) continue;
      *offset = at;
      return path;
    }
    ADD_FAILURE() << payload << " is in no file";
    return "";
  }
};

TEST_F(RocksdbWalTest, EveryWriteIsThereInOrderWithItsNote) {
  std::vector<uint64_t> firsts;
  size_t noted = 0;
  const auto scan =
      rocks::ScanWals(&disk_, "/data/default", {}, [&](const rocks::WalRecord& record) {
        firsts.push_back(record.first);
        noted += record.durable.has_value() ? 1 : 0;
        return true;
      });
  ASSERT_TRUE(scan.ok()) << scan.status();
  EXPECT_EQ(firsts.size(), 7u) << "the companion key, the region, and five records";
  EXPECT_EQ(noted, 6u);
  EXPECT_TRUE(std::is_sorted(firsts.begin(), firsts.end()));
  EXPECT_FALSE(scan->torn);
}

TEST_F(RocksdbWalTest, AFileThatEndsInsideTheLastRecordIsATornTail) {
  Kill();
  const std::string path = Files(".log").back();
  disk_.ShrinkSize(path, 3);
  OpenEngine();
  ASSERT_TRUE(Open().ok());
  const OpeningReport report = log_->Describe().opening;
  EXPECT_EQ(report.outcome, OpeningReport::Outcome::kTornTail);
  EXPECT_GT(report.torn_tail_bytes, 0u);
  EXPECT_TRUE(disk_.Exists("/data/" + report.evidence_file)) << report.evidence_file;
  EXPECT_EQ(ReadTable(*log_, 1)->size(), 4u);
  EXPECT_EQ(Append(1, "goes on").first, 5u);
}

TEST_F(RocksdbWalTest, APowerCutBehindAnOpeningDamagesNothingThatAKilledProcessLeft) {
  const auto open_and_append = [this] {
    return TryOpenEngine().ok() && Open().ok() &&
           testing::CommitOne(*log_, {.table = 1, .payloads = {"synced"}}).status.ok();
  };
  const auto leave_unsynced = [this] {
    AppendBuffered(1, "never synced " + std::string(3000, 'x'));
    Kill();
  };
  leave_unsynced();
  const uint64_t before = disk_.changes();
  ASSERT_TRUE(open_and_append());
  const uint64_t changes = disk_.changes() - before;
  // The last of them makes the removal durable of the file whose writes are in a table by now.
  for (int round = 0; round < 5; ++round) {
    leave_unsynced();
    disk_.CrashAt(changes, testing::Crash::kPowerCut, testing::PowerLoss::kPrefix);
    EXPECT_FALSE(open_and_append());
    Stop();
    disk_.Restart();
    OpenEngine();
    const absl::Status status = Open();
    ASSERT_TRUE(status.ok()) << status;
  }
}

TEST_F(RocksdbWalTest, NoFileIsRemovedBeforeItWasSynced) {
  ReopenWithoutBufferedSyncs();
  absl::Mutex mutex;
  std::map<std::string, std::string> last_change;  // by path
  int synced = 0;
  std::vector<std::string> unsynced;
  disk_.SetTrace([&](const std::string& line) {
    // "  number operation path"
    const std::vector<std::string> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    if (words.size() < 3 || !absl::EndsWith(words.back(), ".log")) return;
    absl::MutexLock lock(&mutex);
    std::string& last = last_change[words.back()];
    if (words[1] == "remove" && last == "write") unsynced.push_back(words.back());
    if (words[1] == "remove" && last == "fdatasync") ++synced;
    last = words[1];
  });
  for (int i = 0; i < 100; ++i) AppendBuffered(1, std::string(5000, 'x'));
  Stop();
  disk_.SetTrace(nullptr);
  absl::MutexLock lock(&mutex);
  EXPECT_GT(synced, 2);
  EXPECT_THAT(unsynced, ::testing::IsEmpty());
}

TEST_F(RocksdbWalTest, AFileWithoutItsEndIsDamageWhereNoTableHoldsIt) {
  Kill();
  const std::string path = Files(".log").back();
  OpenWithoutRoomForTables();
  disk_.ClearFaults();
  Append(1, "synced behind it");
  Kill();
  ASSERT_TRUE(disk_.Exists(path));
  disk_.ShrinkSize(path, 3);
  OpenEngine();
  const absl::Status status = Open();
  EXPECT_TRUE(HasReason(status, ErrorReason::kCorruption)) << status;
}

TEST_F(RocksdbWalTest, WhatAKilledProcessLeftUnsyncedIsDurableOnceItIsOpened) {
  AppendBuffered(1, "never synced");
  Kill();
  OpenWithoutRoomForTables();
  for (const std::string& path : Files(".log")) EXPECT_FALSE(disk_.HasUnsynced(path)) << path;
  disk_.PowerCut(testing::PowerLoss::kNothing);
  Stop();
  disk_.Restart();
  disk_.ClearFaults();
  OpenEngine();
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(ReadTable(*log_, 1)->size(), 6u);
}

TEST_F(RocksdbWalTest, ABrokenRecordBeforeOneThatWasWrittenAfterItsSyncIsDamage) {
  Kill();
  uint64_t offset = 0;
  const std::string path = PathOf("record 2", &offset);
  disk_.FlipBit(path, offset, 0);
  OpenEngine();
  const absl::Status status = Open();
  EXPECT_TRUE(HasReason(status, ErrorReason::kCorruption)) << status;
  EXPECT_EQ(testing::ErrorValue(status, "file"), path.substr(6));
  EXPECT_EQ(testing::ErrorValue(status, "first_sequence"), "3");
  EXPECT_EQ(testing::ErrorValue(status, "last_sequence"), "3");
}

TEST_F(RocksdbWalTest, ABrokenLastRecordWhoseEverySectorWasWrittenIsDamage) {
  Kill();
  uint64_t offset = 0;
  const std::string path = PathOf("record 4", &offset);
  disk_.FlipBit(path, offset, 0);
  OpenEngine();
  EXPECT_TRUE(HasReason(Open(), ErrorReason::kCorruption));
}

TEST_F(RocksdbWalTest, AfterACleanCloseTheLastRecordCannotPassForATornTail) {
  ASSERT_TRUE(CloseAndWait(*log_).ok());
  Stop();
  uint64_t offset = 0;
  uint64_t before = 0;
  const std::string path = PathOf("record 4", &offset);
  ASSERT_EQ(PathOf("record 3", &before), path);
  // Zeros up to what closing noted behind it, as if the record had never been written.
  for (uint64_t at = before + 8; at < offset + 8; ++at) disk_.SetByte(path, at, 0);
  OpenEngine();
  EXPECT_TRUE(HasReason(Open(), ErrorReason::kCorruption));
}

TEST_F(RocksdbWalTest, ZerosBehindTheLastRecordAreNoDamage) {
  Kill();
  const std::string path = Files(".log").back();
  auto file = disk_.OpenFile(path, FileSystem::OpenMode::kReadWrite);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->Allocate(*(*file)->Size() + 5).ok());
  OpenEngine();
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(ReadTable(*log_, 1)->size(), 5u);
}

// A log may stay in use after an opening, and the sync that failed may not be this process's.
TEST(RewriteTailsTest, WhatItLeavesAfterAFailedSyncSurvivesAPowerCut) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    testing::FaultFileSystem disk(seed);
    ASSERT_TRUE(disk.CreateDirectory("/data").ok());
    ASSERT_TRUE(disk.SyncDirectory("/").ok());
    const std::string durable(700, 'd');
    {
      auto file = disk.CreateFile("/data/000004.log");
      ASSERT_TRUE(file.ok());
      ASSERT_TRUE((*file)->Write(0, {durable}).ok());
      ASSERT_TRUE((*file)->SyncData().ok());
      ASSERT_TRUE(disk.SyncDirectory("/data").ok());
      ASSERT_TRUE((*file)->Write(durable.size(), {std::string(3000, 'u')}).ok());
      disk.FailNth(1, testing::file_op::kSync, EIO);
      ASSERT_FALSE((*file)->SyncData().ok());
      disk.ClearFaults();
    }
    const auto rewritten = rocks::RewriteTails(
        &disk, "/data", {.durable_ends = {{"000004.log", durable.size()}}, .leftovers = {}});
    ASSERT_TRUE(rewritten.ok()) << rewritten.status();
    EXPECT_TRUE(*rewritten);
    const std::string left = disk.ReadWhole("/data/000004.log");
    EXPECT_EQ(left.substr(0, durable.size()), durable);
    disk.PowerCut(testing::PowerLoss::kAll);
    disk.Restart();
    EXPECT_TRUE(disk.ReadWhole("/data/000004.log") == left);
  }
}

}  // namespace
}  // namespace walden
