// A log file that is missing between two that are there: it was removed, as it was in tables; or a
// power cut took what no sync had reached; or it is lost.
#include "absl/time/clock.h"
#include "engine/rocksdb/wal/wal_parser.h"
#include "tests/unit/engine/rocksdb/holding_env.h"
#include "tests/unit/engine/rocksdb/rocksdb_fixture.h"

namespace walden {
namespace {

using testing::ReadTable;

class RocksdbWalGapTest : public RocksdbTest {
 protected:
  // Three log files: two closed ones, and the newest, whose first write knows of no sync of theirs.
  void SetUp() override {
    RocksdbTest::SetUp();
    ASSERT_TRUE(Open().ok());
    ReopenWithoutBufferedSyncs();
    jobs_->Hold();
    AppendBufferedUntil(3);
    logs_ = Files(".log");
    rocks::WalRecord first;
    const std::string bytes = disk_.ReadWhole(logs_[2]);
    ASSERT_EQ(rocks::WalParser(bytes).Next(first), rocks::WalOutcome::kRecord);
    ASSERT_TRUE(first.durable.has_value());
    ASSERT_LT(*first.durable + 1, first.first);
  }
  void TearDown() override {
    jobs_->LetGo();
    RocksdbTest::TearDown();
  }

  std::unique_ptr<rocksdb::Env> MakeEnv() override {
    auto env = std::make_unique<HoldingEnv>(RocksdbTest::MakeEnv());
    jobs_ = env.get();
    return env;
  }

  void AppendBufferedUntil(size_t logs) {
    while (Files(".log").size() < logs) {
      const testing::BatchResult result = testing::CommitOne(
          *log_, {.payloads = {std::string(5000, 'x')}, .durability = Durability::kBuffered});
      ASSERT_TRUE(result.status.ok()) << result.status;
      ++appended_;
      if (Files(".log").size() == 1) ++in_oldest_;
    }
  }

  void AppendSynced(const std::string& payload) {
    Append(1, payload);
    ++appended_;
  }

  void Kill() {
    disk_.Kill();
    jobs_->LetGo();
    Stop();
    disk_.Restart();
  }

  // Both closed files are in tables by now and gone, but the removal of the older one was undone.
  void KillWithTheOldestBack() {
    const std::string oldest = disk_.ReadWhole(logs_[0]);
    jobs_->LetGo();
    const absl::Time deadline = absl::Now() + absl::Seconds(60);
    while (Files(".log").size() > 1) {
      ASSERT_LT(absl::Now(), deadline) << "no table file was written";
      absl::SleepFor(absl::Milliseconds(1));
    }
    Kill();
    auto file = disk_.CreateFile(logs_[0]);
    ASSERT_TRUE(file.ok()) << file.status();
    ASSERT_TRUE((*file)->Write(0, {oldest}).ok());
    ASSERT_TRUE((*file)->SyncData().ok());
  }

  absl::Status OpenAgain() {
    OpenEngine();
    return Open();
  }

  HoldingEnv* jobs_ = nullptr;  // of env_
  std::vector<std::string> logs_;
  size_t appended_ = 0;
  size_t in_oldest_ = 0;
};

TEST_F(RocksdbWalGapTest, AFileThatWasRemovedIsNotMissedWhenAnOlderOneComesBack) {
  AppendSynced("synced");
  AppendSynced("notes it");
  KillWithTheOldestBack();
  const absl::Status status = OpenAgain();
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(log_->Describe().opening.outcome, OpeningReport::Outcome::kClean);
  EXPECT_EQ(ReadTable(*log_, 1)->size(), appended_);
}

TEST_F(RocksdbWalGapTest, ATornTailBehindSuchAFileIsCutByItself) {
  for (const char* payload : {"synced", "notes it"}) AppendSynced(payload);
  KillWithTheOldestBack();
  // The beginning of one more write.
  auto log = disk_.OpenFile(logs_[2], FileSystem::OpenMode::kReadWrite);
  ASSERT_TRUE(log.ok()) << log.status();
  ASSERT_TRUE((*log)->Write(disk_.ReadWhole(logs_[2]).size(), {"\x12\x34\x56\x78\x40"}).ok());
  const absl::Status status = OpenAgain();
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(log_->Describe().opening.outcome, OpeningReport::Outcome::kTornTail);
  EXPECT_EQ(ReadTable(*log_, 1)->size(), appended_);
}

TEST_F(RocksdbWalGapTest, ABrokenRecordBetweenSuchAFileAndTheNoteIsDamage) {
  for (const char* payload : {"synced", "notes it"}) AppendSynced(payload);
  KillWithTheOldestBack();
  const uint64_t offset = disk_.ReadWhole(logs_[2]).find("synced");
  disk_.FlipBit(logs_[2], offset, 0);
  const absl::Status status = OpenAgain();
  EXPECT_TRUE(HasReason(status, ErrorReason::kCorruption)) << status;
  EXPECT_EQ(testing::ErrorValue(status, "file"), logs_[2].substr(6));
  EXPECT_NE(testing::ErrorValue(status, "offset"), "0");
}

TEST_F(RocksdbWalGapTest, AFileThatNoSyncReachedMayBeLostWithAllBehindIt) {
  Kill();
  ASSERT_TRUE(disk_.RemoveFile(logs_[1]).ok());
  const absl::Status status = OpenAgain();
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(log_->Describe().opening.outcome, OpeningReport::Outcome::kTornTail);
  EXPECT_EQ(ReadTable(*log_, 1)->size(), in_oldest_);
}

TEST_F(RocksdbWalGapTest, AFileThatASyncReachedIsNotTakenForATornTail) {
  AppendSynced("the last that is known to be durable");
  AppendBufferedUntil(4);
  Kill();
  ASSERT_TRUE(disk_.RemoveFile(logs_[2]).ok());
  const absl::Status status = OpenAgain();
  EXPECT_TRUE(HasReason(status, ErrorReason::kCorruption)) << status;
  EXPECT_EQ(testing::ErrorValue(status, "file"), logs_[2].substr(6));
}

TEST_F(RocksdbWalGapTest, AFileThatIsInNoTableIsMissed) {
  AppendSynced("synced");
  AppendSynced("notes it");
  Kill();
  ASSERT_TRUE(disk_.RemoveFile(logs_[1]).ok());
  const absl::Status status = OpenAgain();
  EXPECT_TRUE(HasReason(status, ErrorReason::kCorruption)) << status;
}

}  // namespace
}  // namespace walden
