// A backup comes back into either engine, and is stopped on the way at every change.
#include "engine/backup/restore.h"

#include "base/error.h"
#include "engine/common/directory_owner.h"
#include "engine/wait.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/rocksdb_env_on_file_system.h"
#include "tests/unit/engine/backup/backup_fixture.h"

namespace walden::backup {
namespace {

using testing::CommitOne;
using testing::Crash;
using testing::FaultFileSystem;
using ::testing::HasSubstr;

constexpr uint64_t kSegmentBytes = 1 << 20;

class RestoreTest : public ::testing::TestWithParam<DirectoryOwner> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(disk_.CreateDirectory("/data").ok());
    ASSERT_TRUE(BackUp(&disk_, log_, 7).ok());
    ASSERT_TRUE(BackUp(&disk_, other_, 8).ok());
  }

  static SourceLog OtherLog() {
    SourceLog log;
    // Numbers that one row for both tables cannot have.
    for (int i = 0; i < 5; ++i) log.Append(1, absl::StrCat("a-", i), i == 0 ? 1000 : 0);
    for (int i = 0; i < 5; ++i) log.Append(2, absl::StrCat("b-", i));
    return log;
  }

  absl::StatusOr<std::vector<RestoredRegion>> RunOn(FaultFileSystem& disk,
                                                    std::vector<RegionId> regions = {},
                                                    const std::string& name = "default") {
    const auto env = testing::MakeRocksdbEnv(&disk);
    return RestoreBackup({.where = {&disk, env.get(), "/data", 1},
                          .namespace_name = name,
                          .engine = GetParam(),
                          .segment_size_bytes = kSegmentBytes,
                          .backup_directory = kBackup,
                          .regions = std::move(regions)},
                         [](const RestoreProgress&) { return true; });
  }

  std::string Show(FaultFileSystem& disk, RegionId region) {
    const auto env = testing::MakeRocksdbEnv(&disk);
    auto engine = OpenOffline({&disk, env.get(), "/data", 1}, "default", GetParam(), false);
    if (!engine.ok()) return engine.status().ToString();
    auto log = OpenRegionAndWait(**engine, region, {.segment_size_bytes = kSegmentBytes},
                                 /*create=*/false);
    if (!log.ok()) return log.status().ToString();
    const std::string text = ShowLog(**log);
    EXPECT_EQ((*log)->Describe().region_version, 5u);
    EXPECT_TRUE(CloseAndWait(**log).ok());
    return text;
  }

  FaultFileSystem disk_;
  SourceLog log_ = SomeLog();
  const SourceLog other_ = OtherLog();
};
INSTANTIATE_TEST_SUITE_P(Into, RestoreTest,
                         ::testing::Values(DirectoryOwner::kSegment, DirectoryOwner::kRocksdb),
                         [](const auto& of) { return std::string(DirectoryOwnerName(of.param)); });

TEST_P(RestoreTest, EveryRecordNumberMarkKindAndVersionIsThere) {
  const auto restored = RunOn(disk_);
  ASSERT_TRUE(restored.ok()) << restored.status();
  ASSERT_EQ(restored->size(), 2u);
  EXPECT_EQ((*restored)[0].region, 7u);
  EXPECT_EQ((*restored)[1].records, 10u);
  EXPECT_EQ(Show(disk_, 7), log_.Show());
  EXPECT_EQ(Show(disk_, 8), other_.Show());
}

TEST_P(RestoreTest, AppendsGoOnBehindAndUseNoNumberAgain) {
  ASSERT_TRUE(RunOn(disk_).ok());
  const auto env = testing::MakeRocksdbEnv(&disk_);
  auto engine = OpenOffline({&disk_, env.get(), "/data", 1}, "default", GetParam(), false);
  ASSERT_TRUE(engine.ok()) << engine.status();
  auto log = OpenRegionAndWait(**engine, 7, {.segment_size_bytes = kSegmentBytes}, false);
  ASSERT_TRUE(log.ok()) << log.status();
  for (const TableState& table : log_.TakeCut().tables) {
    const testing::BatchResult result =
        CommitOne(**log, {.table = table.table, .payloads = {"more"}, .kind = table.kind});
    ASSERT_TRUE(result.status.ok()) << result.status;
    EXPECT_GE(result.first, table.next);
  }
}

TEST_P(RestoreTest, WhereverItCrashesNobodyOpensItAndTheSameCallFinishesIt) {
  const auto pristine = disk_.CopyOfDisk(1);
  uint64_t changes = 0;
  {
    const auto copy = pristine->CopyOfDisk(2);
    const uint64_t at = copy->changes();
    ASSERT_TRUE(RunOn(*copy).ok());
    changes = copy->changes() - at;
  }
  for (uint64_t nth = 1; nth <= changes; ++nth) {
    SCOPED_TRACE(absl::StrCat("change ", nth, " of ", changes));
    const auto copy = pristine->CopyOfDisk(nth);
    copy->CrashAt(nth, nth % 2 == 0 ? Crash::kKill : Crash::kPowerCut);
    (void)RunOn(*copy);
    copy->CancelCrash();
    copy->Restart();
    if (copy->Exists("/data/default/RESTORING")) {
      EXPECT_THAT(Show(*copy, 7), HasSubstr("Run the same `walden restore` again"));
    }
    const auto again = RunOn(*copy);
    ASSERT_TRUE(again.ok()) << again.status();
    ASSERT_EQ(again->size(), 2u);
    ASSERT_EQ(Show(*copy, 7), log_.Show());
    ASSERT_EQ(Show(*copy, 8), other_.Show());
  }
}

TEST_P(RestoreTest, RepeatedAfterItsLastStepItSaysWhatIsRestoredAndWritesNothing) {
  ASSERT_TRUE(RunOn(disk_).ok());
  for (int i = 0; i < 2; ++i) {
    const auto again = RunOn(disk_);
    ASSERT_TRUE(again.ok()) << again.status();
    ASSERT_EQ(again->size(), 2u);
    for (const RestoredRegion& region : *again) EXPECT_EQ(region.restored_records, 0u);
    EXPECT_EQ((*again)[1].records, 10u);
  }
  EXPECT_EQ(Show(disk_, 7), log_.Show());
  EXPECT_EQ(Show(disk_, 8), other_.Show());
}

TEST_P(RestoreTest, ARegionThatHoldsSomethingElseIsNotTouched) {
  ASSERT_TRUE(RunOn(disk_, {7}).ok());
  const SourceLog before = log_;
  log_.Append(9, "the backup goes on");
  ASSERT_TRUE(BackUp(&disk_, log_, 7).ok());
  const absl::Status refused = RunOn(disk_, {7}).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_THAT(refused.message(), HasSubstr("region 7 exists in /data/default already"));
  // Nor does it keep another one from coming.
  ASSERT_TRUE(RunOn(disk_, {8}).ok());
  EXPECT_EQ(Show(disk_, 7), before.Show());
  EXPECT_EQ(Show(disk_, 8), other_.Show());
}

TEST_P(RestoreTest, AStoppedRestoreOfABackupThatWasBroughtUpToDateBeginsAnew) {
  const auto env = testing::MakeRocksdbEnv(&disk_);
  const auto stopped = RestoreBackup({.where = {&disk_, env.get(), "/data", 1},
                                      .namespace_name = "default",
                                      .engine = GetParam(),
                                      .segment_size_bytes = kSegmentBytes,
                                      .backup_directory = kBackup},
                                     [](const RestoreProgress& seen) { return seen.records < 20; });
  ASSERT_TRUE(absl::IsCancelled(stopped.status())) << stopped.status();
  EXPECT_THAT(RunOn(disk_, {8}).status().message(), HasSubstr("comes first"));
  log_.MarkDeleted(1, 7);
  log_.Append(9, "later");
  ASSERT_TRUE(BackUp(&disk_, log_, 7).ok());
  const auto again = RunOn(disk_);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(Show(disk_, 7), log_.Show());
}

TEST_P(RestoreTest, ADamagedBackupIsRefusedBeforeAnythingIsWritten) {
  const std::string path = "/backup/region_8/data_0";
  disk_.FlipBit(path, disk_.ReadWhole(path).find("b-3"), 2);
  const absl::Status refused = RunOn(disk_).status();
  EXPECT_TRUE(HasReason(refused, ErrorReason::kCorruption)) << refused;
  EXPECT_THAT(refused.message(), HasSubstr("region_8/data_0"));
  EXPECT_TRUE(disk_.FilesBelow("/data").empty());
  ASSERT_TRUE(RunOn(disk_, {7}).ok());
}

TEST_P(RestoreTest, WhatCannotBeRestoredIsSaid) {
  EXPECT_THAT(RunOn(disk_, {99}).status().message(), HasSubstr("no finished copy of region 99"));
  disk_.SetCapacity(disk_.UsedBytes() + (1 << 20));
  const absl::Status full = RunOn(disk_).status();
  EXPECT_TRUE(HasReason(full, ErrorReason::kDiskFull)) << full;
  EXPECT_FALSE(disk_.Exists("/data/default/RESTORING"));
  disk_.SetCapacity(UINT64_MAX);
  const auto lock = disk_.LockDirectory("/data/default");
  ASSERT_TRUE(lock.ok());
  EXPECT_TRUE(HasReason(RunOn(disk_).status(), ErrorReason::kLocked));
}

}  // namespace
}  // namespace walden::backup
