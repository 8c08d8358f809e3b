// The files beside RocksDB's, LOCK and evidence/, against FORMAT.md.
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "engine/io/posix_file_system.h"
#include "engine/rocksdb/wal/wal_repair.h"
#include "engine/wait.h"
#include "tests/support/real_directory.h"
#include "tests/unit/engine/rocksdb/rocksdb_fixture.h"

namespace walden {
namespace {

using ::testing::HasSubstr;

std::string RocksdbFormatPage() {
  std::stringstream page;
  page << std::ifstream(std::string(WALDEN_SOURCE_DIR) + "/engine/rocksdb/FORMAT.md").rdbuf();
  return page.str();
}

class RocksdbLockTest : public testing::RealDirectoryTest {
 protected:
  absl::StatusOr<std::unique_ptr<RocksdbEngine>> OpenEngine() const {
    return RocksdbEngine::Open({.file_system = PosixFileSystem(),
                                .clock = Clock::Real(),
                                .wall_clock = WallClock::Real(),
                                .data_directory = root_,
                                .namespace_name = "ns",
                                .namespace_id = 1,
                                .tuning = {.write_buffer_bytes = 64 << 10,
                                           .max_total_wal_bytes = 256 << 10,
                                           .block_cache_bytes = 64 << 10,
                                           .reclaim_bytes = 64 << 10,
                                           .reserve_bytes = 64 << 10}});
  }
  std::string LockPath() const { return root_ + "/ns/LOCK"; }
};

TEST_F(RocksdbLockTest, TheProcessThatHasANamespaceOpenHoldsTheLockAndIsNamedInIt) {
  ASSERT_THAT(RocksdbFormatPage(), HasSubstr("`process <pid> on host <name>` and a newline"));
  auto engine = OpenEngine();
  ASSERT_TRUE(engine.ok()) << engine.status();
  auto log = OpenRegionAndWait(**engine, 7, RegionOptions(), /*create=*/true);
  ASSERT_TRUE(log.ok()) << log.status();
  EXPECT_TRUE(IsLocked(LockPath()));
  EXPECT_EQ(Contents(LockPath()), ThisProcess() + "\n");

  const absl::Status second = OpenEngine().status();
  EXPECT_TRUE(HasReason(second, ErrorReason::kLocked)) << second;
  EXPECT_THAT(std::string(second.message()), HasSubstr("is in use by " + ThisProcess()));
  EXPECT_EQ(GetErrorInfo(second)->metadata.at("holder"), ThisProcess());

  *log = nullptr;
  *engine = nullptr;
  EXPECT_FALSE(IsLocked(LockPath()));
  EXPECT_TRUE(OpenEngine().ok());
}

class RocksdbEvidenceTest : public RocksdbTest {
 protected:
  // The last record of the log lacks its last bytes. Returns the log's bytes.
  std::string TearLastRecord() {
    EXPECT_TRUE(Open().ok());
    Append(1, "before");
    Append(1, "torn record");
    disk_.Kill();
    Stop();
    disk_.Restart();
    path_ = Files(".log").back();
    disk_.ShrinkSize(path_, 3);
    return disk_.ReadWhole(path_);
  }
  std::string EvidenceName(uint64_t offset, int number) const {
    const std::string pattern = "evidence/torn_<file>_at_<offset>_<n>";
    EXPECT_THAT(RocksdbFormatPage(), HasSubstr("`" + pattern + "`"));
    return absl::StrReplaceAll(pattern, {{"<file>", path_.substr(path_.rfind('/') + 1)},
                                         {"<offset>", absl::StrCat(offset)},
                                         {"<n>", absl::StrCat(number)}});
  }

  std::string path_;
};

TEST_F(RocksdbEvidenceTest, ATornTailIsKeptUnderItsPlaceByteForByte) {
  const std::string torn = TearLastRecord();
  OpenEngine();
  ASSERT_TRUE(Open().ok());
  const OpeningReport report = log_->Describe().opening;
  EXPECT_EQ(report.outcome, OpeningReport::Outcome::kTornTail);
  ASSERT_LT(report.torn_tail_bytes, torn.size());
  const uint64_t offset = torn.size() - report.torn_tail_bytes;
  EXPECT_GT(offset, torn.find("before"));
  EXPECT_LT(offset, torn.find("torn rec"));
  EXPECT_EQ(report.evidence_file, "default/" + EvidenceName(offset, 0));
  EXPECT_EQ(disk_.ReadWhole("/data/" + report.evidence_file), torn.substr(offset));
}

TEST_F(RocksdbEvidenceTest, EvidenceOfTheSamePlaceIsNotOverwritten) {
  (void)TearLastRecord();
  const auto scan =
      rocks::ScanWals(&disk_, "/data/default", {}, [](const rocks::WalRecord&) { return true; });
  ASSERT_TRUE(scan.ok() && scan->torn) << scan.status();
  const std::string first = "/data/default/" + EvidenceName(scan->torn->offset, 0);
  ASSERT_TRUE(disk_.CreateDirectory("/data/default/evidence").ok());
  ASSERT_TRUE((*disk_.CreateFile(first))->Write(0, {"older"}).ok());
  OpenEngine();
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(log_->Describe().opening.evidence_file,
            "default/" + EvidenceName(scan->torn->offset, 1));
  EXPECT_EQ(disk_.ReadWhole(first), "older");
}

}  // namespace
}  // namespace walden
