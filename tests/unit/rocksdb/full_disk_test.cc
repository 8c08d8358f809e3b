// A process that finds the disk full when it starts.
#include "tests/unit/rocksdb/holding_env.h"
#include "tests/unit/rocksdb/rocksdb_fixture.h"

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
  const auto marked = log_->MarkDeleted(1, 3, std::nullopt);
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

}  // namespace
}  // namespace walden
