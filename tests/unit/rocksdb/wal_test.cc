// Judging the end of RocksDB's write-ahead log after a crash.
#include "engine/rocksdb/wal_repair.h"
#include "tests/unit/rocksdb/rocksdb_fixture.h"

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
  const auto scan = rocks::ScanWals(&disk_, "/data/default", [&](const rocks::WalRecord& record) {
    firsts.push_back(record.first);
    noted += record.durable.has_value() ? 1 : 0;
    return true;
  });
  ASSERT_TRUE(scan.ok()) << scan.status();
  EXPECT_EQ(firsts.size(), 6u) << "the region, and five records";
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
  ASSERT_TRUE(log_->Close().ok());
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

}  // namespace
}  // namespace walden
