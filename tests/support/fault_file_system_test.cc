// The faults themselves; what every FileSystem does is in tests/unit/engine/io/file_system_test.cc.
#include "tests/support/fault_file_system.h"

#include <set>
#include <string>

#include "base/error.h"
#include "gtest/gtest.h"

namespace walden::testing {
namespace {

std::unique_ptr<File> Create(FaultFileSystem& disk, const std::string& path) {
  auto file = disk.CreateFile(path);
  EXPECT_TRUE(file.ok()) << file.status();
  return std::move(*file);
}

void Write(File& file, uint64_t offset, absl::string_view bytes) {
  EXPECT_TRUE(file.Write(offset, {bytes}).ok());
}

class FaultFileSystemTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(disk_.CreateDirectory("/d").ok());
    ASSERT_TRUE(disk_.SyncDirectory("/").ok());
  }

  FaultFileSystem disk_{1};
};

TEST_F(FaultFileSystemTest, APowerCutKeepsWhatWasSyncedAndAnySubsetOfTheSectorsWrittenSince) {
  std::set<std::string> outcomes;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    FaultFileSystem disk(seed);
    auto file = Create(disk, "/f");
    Write(*file, 0, std::string(1024, 'a'));
    ASSERT_TRUE(file->SyncData().ok());
    ASSERT_TRUE(disk.SyncDirectory("/").ok());
    Write(*file, 0, std::string(1024, 'b'));
    disk.PowerCut();
    disk.Restart();
    const std::string left = disk.ReadWhole("/f");
    ASSERT_EQ(left.size(), 1024u);
    outcomes.insert(std::string{left[0], left[512]});
    EXPECT_EQ(left, std::string(512, left[0]) + std::string(512, left[512]));
  }
  EXPECT_EQ(outcomes, (std::set<std::string>{"aa", "ab", "ba", "bb"}));
}

TEST_F(FaultFileSystemTest, APrefixCutKeepsTheOrderOfWriting) {
  std::set<std::string> outcomes;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    FaultFileSystem disk(seed);
    auto file = Create(disk, "/f");
    ASSERT_TRUE(file->Allocate(1024).ok());
    ASSERT_TRUE(file->SyncData().ok());
    ASSERT_TRUE(disk.SyncDirectory("/").ok());
    Write(*file, 512, std::string(512, '1'));
    Write(*file, 0, std::string(512, '2'));
    disk.PowerCut(PowerLoss::kPrefix);
    disk.Restart();
    const std::string left = disk.ReadWhole("/f");
    outcomes.insert({left[0] == 0 ? '0' : left[0], left[512] == 0 ? '0' : left[512]});
  }
  EXPECT_EQ(outcomes, (std::set<std::string>{"00", "01", "21"}));
}

TEST_F(FaultFileSystemTest, AFileWhoseDirectoryWasNotSyncedCanVanish) {
  auto file = Create(disk_, "/d/f");
  Write(*file, 0, "x");
  ASSERT_TRUE(file->SyncData().ok());
  disk_.PowerCut(PowerLoss::kNothing);
  disk_.Restart();
  EXPECT_FALSE(disk_.Exists("/d/f"));
  EXPECT_TRUE(disk_.Exists("/d"));
}

TEST_F(FaultFileSystemTest, ARenameWithoutDirectorySyncCanBeUndone) {
  Create(disk_, "/d/old");
  ASSERT_TRUE(disk_.SyncDirectory("/d").ok());
  ASSERT_TRUE(disk_.Rename("/d/old", "/d/new").ok());
  disk_.PowerCut(PowerLoss::kNothing);
  disk_.Restart();
  EXPECT_TRUE(disk_.Exists("/d/old"));
  EXPECT_FALSE(disk_.Exists("/d/new"));
}

TEST_F(FaultFileSystemTest, ARenameBetweenDirectoriesLeavesExactlyOneName) {
  std::set<std::string> outcomes;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    FaultFileSystem disk(seed);
    ASSERT_TRUE(disk.CreateDirectory("/a").ok());
    ASSERT_TRUE(disk.CreateDirectory("/b").ok());
    auto file = Create(disk, "/a/f");
    Write(*file, 0, "x");
    ASSERT_TRUE(file->SyncData().ok());
    for (const char* directory : {"/", "/a"}) ASSERT_TRUE(disk.SyncDirectory(directory).ok());
    ASSERT_TRUE(disk.Rename("/a/f", "/b/f").ok());
    const bool synced = seed % 2 == 0;
    if (synced) {
      ASSERT_TRUE(disk.SyncDirectory("/b").ok());
    }
    disk.PowerCut();
    disk.Restart();
    EXPECT_NE(disk.Exists("/a/f"), disk.Exists("/b/f"));
    const std::string name = disk.Exists("/a/f") ? "/a/f" : "/b/f";
    EXPECT_EQ(disk.ReadWhole(name), "x");
    if (synced) {
      EXPECT_EQ(name, "/b/f");
    } else {
      outcomes.insert(name);
    }
  }
  EXPECT_EQ(outcomes.size(), 2u);
}

TEST_F(FaultFileSystemTest, KillKeepsEveryWriteAndEndsEveryHandleAndLock) {
  auto file = Create(disk_, "/d/f");
  auto lock = disk_.LockDirectory("/d");
  ASSERT_TRUE(lock.ok());
  Write(*file, 0, "written");
  auto mapping = file->Map();
  ASSERT_TRUE(mapping.ok());
  disk_.Kill();
  EXPECT_FALSE(disk_.ListDirectory("/d").ok());
  disk_.Restart();
  EXPECT_EQ(disk_.ReadWhole("/d/f"), "written");
  EXPECT_FALSE(file->Write(0, {"more"}).ok());
  char byte;
  EXPECT_FALSE((*mapping)->Copy(0, absl::MakeSpan(&byte, 1)).ok());
  EXPECT_TRUE(disk_.LockDirectory("/d").ok());
}

TEST_F(FaultFileSystemTest, AnArmedCrashComesInsideTheChosenChange) {
  auto file = Create(disk_, "/d/f");
  disk_.CrashAt(2, Crash::kKill);
  Write(*file, 0, "first");
  EXPECT_FALSE(disk_.crashed());
  EXPECT_FALSE(file->Write(5, {"second"}).ok());
  EXPECT_TRUE(disk_.crashed());
  disk_.Restart();
  EXPECT_EQ(disk_.ReadWhole("/d/f").substr(0, 5), "first");
}

TEST_F(FaultFileSystemTest, AFailedSyncForgetsThatSectorsAreNotOnTheMedium) {
  bool lost = false;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    FaultFileSystem disk(seed);
    auto file = Create(disk, "/f");
    ASSERT_TRUE(file->SyncData().ok());
    ASSERT_TRUE(disk.SyncDirectory("/").ok());
    Write(*file, 0, "data");
    disk.FailNth(1, file_op::kSync, EIO);
    EXPECT_EQ(file->SyncData().code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(disk.ReadWhole("/f"), "data");  // the cache still has it
    EXPECT_TRUE(file->SyncData().ok());       // and this one writes nothing
    disk.PowerCut(PowerLoss::kAll);
    disk.Restart();
    lost |= disk.ReadWhole("/f") != "data";
  }
  EXPECT_TRUE(lost);
}

TEST_F(FaultFileSystemTest, WritingTheSameBytesAgainAfterAFailedSyncMakesThemDurable) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    FaultFileSystem disk(seed);
    auto file = Create(disk, "/f");
    ASSERT_TRUE(disk.SyncDirectory("/").ok());
    Write(*file, 0, "data");
    disk.FailNth(1, file_op::kSync, EIO);
    EXPECT_FALSE(file->SyncData().ok());
    Write(*file, 0, "data");
    EXPECT_TRUE(file->SyncData().ok());
    disk.PowerCut(PowerLoss::kNothing);
    disk.Restart();
    EXPECT_EQ(disk.ReadWhole("/f"), "data");
  }
}

TEST_F(FaultFileSystemTest, FaultsChooseTheCallTheKindAndThePath) {
  auto one = Create(disk_, "/d/one");
  auto two = Create(disk_, "/d/two");
  Fault fault;
  fault.operations = file_op::kWrite;
  fault.nth = 2;
  fault.error_number = ENOSPC;
  fault.path_part = "two";
  disk_.Inject(fault);
  Write(*one, 0, "x");
  Write(*two, 0, "x");
  Write(*one, 0, "x");
  EXPECT_TRUE(two->SyncData().ok());
  const absl::Status failed = two->Write(1, {"y"});
  EXPECT_EQ(failed.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(HasReason(failed, ErrorReason::kDiskFull));
  Write(*two, 1, "y");
  EXPECT_EQ(disk_.faults_hit(), 1u);
}

TEST_F(FaultFileSystemTest, AFullDiskRefusesGrowthUntilAFileIsRemoved) {
  disk_.SetCapacity(1000);
  auto one = Create(disk_, "/d/one");
  auto two = Create(disk_, "/d/two");
  ASSERT_TRUE(one->Allocate(800).ok());
  EXPECT_TRUE(HasReason(two->Allocate(300), ErrorReason::kDiskFull));
  EXPECT_EQ(*disk_.FreeBytes("/d"), 200u);
  Write(*one, 0, std::string(800, 'x'));
  ASSERT_TRUE(disk_.RemoveFile("/d/one").ok());
  EXPECT_TRUE(HasReason(two->Allocate(300), ErrorReason::kDiskFull)) << "it is still open";
  one.reset();
  EXPECT_TRUE(two->Allocate(300).ok());
}

TEST_F(FaultFileSystemTest, DamageIsSeenByReadersAndSurvives) {
  auto file = Create(disk_, "/d/f");
  ASSERT_TRUE(disk_.SyncDirectory("/d").ok());
  Write(*file, 0, "abcd");
  ASSERT_TRUE(file->SyncData().ok());
  disk_.FlipBit("/d/f", 1, 0);
  disk_.SetByte("/d/f", 2, 'X');
  disk_.ShrinkSize("/d/f", 1);
  EXPECT_EQ(disk_.ReadWhole("/d/f"), "acX");
  disk_.PowerCut(PowerLoss::kNothing);
  disk_.Restart();
  EXPECT_EQ(disk_.ReadWhole("/d/f"), "acX");
}

TEST_F(FaultFileSystemTest, AnUnreadableRangeFailsReadsAndCopiesThatTouchIt) {
  auto file = Create(disk_, "/d/f");
  ASSERT_TRUE(file->Allocate(100).ok());
  auto mapping = file->Map();
  ASSERT_TRUE(mapping.ok());
  disk_.MakeUnreadable("/d/f", 50, 10);
  char bytes[20];
  EXPECT_TRUE(file->Read(0, absl::MakeSpan(bytes)).ok());
  EXPECT_TRUE(HasReason(file->Read(45, absl::MakeSpan(bytes)).status(), ErrorReason::kIoError));
  EXPECT_TRUE(HasReason((*mapping)->Copy(59, absl::MakeSpan(bytes)), ErrorReason::kIoError));
  EXPECT_TRUE((*mapping)->Copy(60, absl::MakeSpan(bytes)).ok());
}

TEST_F(FaultFileSystemTest, ManyAllocatedFilesCostNoMemoryUntilTheyHoldSomething) {
  for (int i = 0; i < 1000; ++i) {
    auto file = Create(disk_, "/d/" + std::to_string(i));
    ASSERT_TRUE(file->Allocate(uint64_t{64} << 20).ok());
  }
  EXPECT_EQ(disk_.UsedBytes(), uint64_t{64000} << 20);
}

}  // namespace
}  // namespace walden::testing
