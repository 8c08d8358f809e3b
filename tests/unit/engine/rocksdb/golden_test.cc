// Directories that an earlier Walden wrote, before it kept a companion file: closed cleanly, and
// killed. They open in place, get a companion file, and survive a kill at any step of that.
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "engine/rocksdb/companion/companion_format.h"
#include "engine/wait.h"
#include "tests/unit/engine/rocksdb/rocksdb_fixture.h"

namespace walden {
namespace {

using testing::ReadTable;

class RocksdbGoldenTest : public RocksdbTest, public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override { Load(disk_); }

  // Puts the files of golden/<name>.tar.gz on a disk.
  static void Load(testing::FaultFileSystem& disk) {
    const std::string archive = absl::StrCat(
        WALDEN_SOURCE_DIR, "/tests/unit/engine/rocksdb/golden/", GetParam(), ".tar.gz");
    std::string directory = (std::filesystem::temp_directory_path() / "walden_golden_XXXXXX");
    ASSERT_NE(mkdtemp(directory.data()), nullptr);
    const std::string command = absl::StrCat("tar -xzf '", archive, "' -C '", directory, "'");
    ASSERT_EQ(system(command.c_str()), 0) << command;
    ASSERT_TRUE(disk.CreateDirectory("/data").ok());
    ASSERT_TRUE(disk.CreateDirectory("/data/default").ok());
    for (const auto& entry : std::filesystem::directory_iterator(directory + "/default")) {
      std::ifstream stream(entry.path(), std::ios::binary);
      const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
      auto file = disk.CreateFile("/data/default/" + entry.path().filename().string());
      ASSERT_TRUE(file.ok()) << file.status();
      if (!bytes.empty()) {
        ASSERT_TRUE((*file)->Write(0, {bytes}).ok());
      }
      ASSERT_TRUE((*file)->SyncData().ok());
    }
    std::filesystem::remove_all(directory);
    ASSERT_TRUE(disk.SyncDirectory("/").ok());
    ASSERT_TRUE(disk.SyncDirectory("/data").ok());
    ASSERT_TRUE(disk.SyncDirectory("/data/default").ok());
  }

  // Opens the namespace and region 1 on `disk` and closes them again: how many records table 7 has.
  static absl::StatusOr<size_t> OpenOn(testing::FaultFileSystem& disk) {
    const std::unique_ptr<rocksdb::Env> env = testing::MakeRocksdbEnv(&disk);
    auto engine = RocksdbEngine::Open({.file_system = &disk,
                                       .clock = Clock::Real(),
                                       .env = env.get(),
                                       .data_directory = "/data",
                                       .namespace_name = "default",
                                       .tuning = {.write_buffer_bytes = 64 << 10,
                                                  .max_total_wal_bytes = 256 << 10,
                                                  .block_cache_bytes = 64 << 10,
                                                  .reserve_bytes = 64 << 10}});
    if (!engine.ok()) return engine.status();
    auto log = OpenRegionAndWait(**engine, 1, RegionOptions(), /*create=*/false);
    if (!log.ok()) return log.status();
    const auto records = ReadTable(**log, 7);
    return records.ok() ? absl::StatusOr<size_t>(records->size()) : records.status();
  }

  // 200 records of table 7, deleted through 20; in the killed one another follows.
  void ExpectItsRecords() {
    const bool was_killed = std::string(GetParam()) == "killed";
    const auto records = ReadTable(*log_, 7);
    ASSERT_TRUE(records.ok()) << records.status();
    ASSERT_EQ(records->size(), was_killed ? 181u : 180u);
    EXPECT_EQ(records->front().sequence, 21u);
    EXPECT_EQ(records->front().payload, "record 21" + std::string(1000, 'x'));
    EXPECT_EQ(log_->Position(7).next, was_killed ? 202u : 201u);
    EXPECT_EQ(log_->Position(7).deleted_through, 20u);
    EXPECT_EQ(ReadTable(*log_, 8)->size(), 1u);
    EXPECT_EQ(log_->Describe().region_version, 5u);
    auto other = OpenRegion(2, /*create=*/false);
    ASSERT_TRUE(other.ok()) << other.status();
    EXPECT_EQ(ReadTable(**other, 70)->size(), 3u);
  }
};

TEST_P(RocksdbGoldenTest, ItOpensAndGetsACompanionFile) {
  for (const bool again : {false, true}) {
    SCOPED_TRACE(again);
    OpenEngine();
    const absl::Status opened = Open();
    ASSERT_TRUE(opened.ok()) << opened;
    ExpectItsRecords();
    ASSERT_TRUE(CloseAndWait(*log_).ok());
    Stop();
    EXPECT_TRUE(disk_.Exists(absl::StrCat("/data/default/", rocks::kCompanionFile)));
  }
  // From now on a file that is taken away is missed.
  ASSERT_TRUE(disk_.RemoveFile("/data/default/CURRENT").ok());
  OpenEngine();
  EXPECT_TRUE(HasReason(Open(), ErrorReason::kCorruption));
}

TEST_P(RocksdbGoldenTest, ItOpensAfterAKillOrAPowerCutAtAnyStepOfItsFirstOpening) {
  for (const testing::Crash crash : {testing::Crash::kKill, testing::Crash::kPowerCut}) {
    bool was_cut = true;
    for (uint64_t nth = 1; was_cut; nth += 3) {
      SCOPED_TRACE(nth);
      auto disk = std::make_unique<testing::FaultFileSystem>(nth);
      Load(*disk);
      disk->CrashAt(nth, crash);
      { (void)OpenOn(*disk); }
      was_cut = disk->crashed();
      disk->CancelCrash();
      if (was_cut) disk->Restart();
      const auto opened = OpenOn(*disk);
      ASSERT_TRUE(opened.ok()) << opened.status();
      EXPECT_GE(*opened, 180u);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Ended, RocksdbGoldenTest, ::testing::Values("closed", "killed"),
                         [](const auto& named) { return named.param; });

}  // namespace
}  // namespace walden
