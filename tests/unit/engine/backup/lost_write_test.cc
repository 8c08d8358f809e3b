// A finished copy is on the medium, whatever failed, crashed or rotted on the way to it.
#include "gtest/gtest.h"
#include "tests/unit/engine/backup/backup_fixture.h"

namespace walden::backup {
namespace {

using testing::Crash;
using testing::FaultFileSystem;
using testing::PowerLoss;

class LostWriteTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(BackUp(&disk_, log_).ok());
    for (int i = 0; i < 12; ++i) log_.Append(1 + i % 2, std::string(900, 'n'));
  }

  std::string Path(uint64_t number) const {
    return absl::StrCat(RegionDirectory(kBackup, kRegion), "/", DataFileName(number));
  }

  Manifest Finished() { return *ReadManifest(&disk_, RegionDirectory(kBackup, kRegion)); }

  // A run on a disk that fails the nth sync of a data file. False if there were fewer.
  bool RunWithAFailedSync(FaultFileSystem& disk, uint64_t nth) {
    disk.Inject({.operations = testing::file_op::kSync, .nth = nth, .path_part = "data_"});
    const absl::Status status = BackUp(&disk, log_);
    disk.ClearFaults();
    return !status.ok();
  }

  // A run in which the machine or the process dies at the nth change. False if there were fewer.
  bool RunWithACrash(FaultFileSystem& disk, uint64_t nth) {
    disk.CrashAt(nth, nth % 2 == 0 ? Crash::kKill : Crash::kPowerCut);
    (void)BackUp(&disk, log_);
    const bool crashed = disk.crashed();
    disk.CancelCrash();
    disk.Restart();
    return crashed;
  }

  void ExpectARunFinishesTheCopyOnTheMedium(FaultFileSystem& disk) {
    absl::Status done = BackUp(&disk, log_);
    // The cache dropped between two looks what a failed sync had left in it.
    if (absl::IsUnavailable(done)) done = BackUp(&disk, log_);
    ASSERT_TRUE(done.ok()) << done;
    disk.PowerCut(PowerLoss::kNothing);
    disk.Restart();
    ASSERT_EQ(ShowBackup(&disk), log_.Show());
    const auto verified = VerifyAll(&disk);
    ASSERT_TRUE(verified.ok() && verified->findings.empty()) << verified.status();
  }

  FaultFileSystem disk_;
  SourceLog log_ = SomeLog();
};

TEST_F(LostWriteTest, WhatAFailedSyncLostIsWrittenAgain) {
  uint64_t nth = 1;
  for (bool failed = true; failed; ++nth) {
    for (uint64_t seed = 1; seed <= 8; ++seed) {
      SCOPED_TRACE(absl::StrCat("sync ", nth, ", seed ", seed));
      const auto copy = disk_.CopyOfDisk(seed);
      failed = RunWithAFailedSync(*copy, nth);
      ExpectARunFinishesTheCopyOnTheMedium(*copy);
      if (HasFatalFailure()) return;
    }
  }
  EXPECT_GT(nth, 3u);
}

TEST_F(LostWriteTest, ACrashWhileItIsWrittenAgainLosesNothingEither) {
  uint64_t change = 1;
  for (bool crashed = true; crashed; ++change) {
    for (uint64_t seed = 1; seed <= 8; ++seed) {
      SCOPED_TRACE(absl::StrCat("change ", change, ", seed ", seed));
      const auto copy = disk_.CopyOfDisk(seed);
      ASSERT_TRUE(RunWithAFailedSync(*copy, 1 + seed % 2));
      crashed = RunWithACrash(*copy, change);
      ExpectARunFinishesTheCopyOnTheMedium(*copy);
      if (HasFatalFailure()) return;
    }
  }
  EXPECT_GT(change, 20u);
}

TEST_F(LostWriteTest, NeitherDoesAnyOrderOfFailuresWhileTheLogGrows) {
  const SourceLog log = log_;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    log_ = log;
    testing::Random random(seed);
    const auto copy = disk_.CopyOfDisk(seed);
    for (int run = 0; run < 5; ++run) {
      if (random.Percent(50)) {
        RunWithAFailedSync(*copy, random.Between(1, 4));
      } else {
        RunWithACrash(*copy, random.Between(1, 30));
      }
      // Tables that are copied early get records that take the places of later ones.
      log_.Append(random.Between(1, 2), std::string(random.Percent(50) ? 900 : 437, 'g'));
    }
    ExpectARunFinishesTheCopyOnTheMedium(*copy);
    if (HasFatalFailure()) return;
  }
}

TEST_F(LostWriteTest, FilesBehindADamagedOneStayOutHoweverItsEndIsCutOff) {
  const uint64_t first_unfinished = Finished().next_file;
  for (int i = 0; i < 12; ++i) log_.Append(1, std::string(900, 'm'));
  {
    // Killed before the cut was written.
    const auto writer = RegionWriter::Open(TargetOn(&disk_));
    ASSERT_TRUE(writer.ok()) << writer.status();
    const auto& records = log_[1].records;
    for (auto at = records.upper_bound((*writer)->CopiedOf(1).through); at != records.end(); ++at) {
      const RecordView record{.table = 1, .sequence = at->first, .payload = at->second};
      ASSERT_TRUE((*writer)->Add({&record, 1}).ok());
    }
  }
  ASSERT_TRUE(disk_.Exists(Path(first_unfinished + 2)));
  for (const uint64_t in_file : {10, 1500}) {
    uint64_t change = 1;
    for (bool crashed = true; crashed; ++change) {
      SCOPED_TRACE(absl::StrCat("damaged at ", in_file, ", change ", change));
      const auto copy = disk_.CopyOfDisk(change);
      copy->FlipBit(Path(first_unfinished), in_file, 0);
      crashed = RunWithACrash(*copy, change);
      ExpectARunFinishesTheCopyOnTheMedium(*copy);
      if (HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace walden::backup
