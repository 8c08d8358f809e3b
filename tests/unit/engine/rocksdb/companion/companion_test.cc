// What the companion file finds: a directory from which something was taken, shortened, replaced or
// added to. Nothing of such a directory is changed.
#include <map>

#include "absl/strings/str_cat.h"
#include "engine/rocksdb/companion/companion_format.h"
#include "engine/wait.h"
#include "tests/support/log_verbs.h"
#include "tests/support/random.h"
#include "tests/unit/engine/rocksdb/rocksdb_fixture.h"

namespace walden {
namespace {

using ::testing::HasSubstr;
using testing::ReadTable;

constexpr char kDirectory[] = "/data/default/";

class RocksdbCompanionTest : public RocksdbTest {
 protected:
  static constexpr int kRecords = 300;

  // A directory with table files and a log, closed cleanly.
  void SetUp() override {
    RocksdbTest::SetUp();
    ASSERT_TRUE(Open().ok());
    testing::Random random(1);
    for (int i = 0; i < kRecords; ++i) Append(1 + i % 3, random.NonZeroBytes(700));
    ASSERT_TRUE(Eventually([&] { return !Files(".sst").empty(); }));
    ASSERT_TRUE(CloseAndWait(*log_).ok());
    Stop();
  }

  std::string Manifest() { return Files("/CURRENT").empty() ? "" : ManifestOfCurrent(); }
  std::string ManifestOfCurrent() {
    std::string name = disk_.ReadWhole(absl::StrCat(kDirectory, "CURRENT"));
    name.pop_back();
    return absl::StrCat(kDirectory, name);
  }

  std::map<std::string, std::string> Contents() {
    std::map<std::string, std::string> contents;
    for (const std::string& path : disk_.FilesBelow("/data/default")) {
      contents[path] = disk_.ReadWhole(path);
    }
    contents.erase("/data/default/LOCK");
    return contents;
  }

  void Write(const std::string& path, const std::string& bytes) {
    (void)disk_.RemoveFile(path);
    auto file = disk_.CreateFile(path);
    ASSERT_TRUE(file.ok()) << file.status();
    if (!bytes.empty()) {
      ASSERT_TRUE((*file)->Write(0, {bytes}).ok());
    }
    ASSERT_TRUE((*file)->SyncData().ok());
    ASSERT_TRUE(disk_.SyncDirectory("/data/default").ok());
  }

  // Opens, and expects an error that names `file`, and a directory that stays as it is.
  std::string ExpectRefused(const std::string& file,
                            ErrorReason reason = ErrorReason::kCorruption) {
    const auto before = Contents();
    OpenEngine();
    const absl::Status status = Open();
    EXPECT_TRUE(HasReason(status, reason)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(file.substr(file.rfind('/') + 1)));
    Stop();
    EXPECT_TRUE(before == Contents()) << "the directory was changed";
    return std::string(status.message());
  }

  void ExpectAllRecords() {
    OpenEngine();
    ASSERT_TRUE(Open().ok());
    uint64_t records = 0;
    for (const TableId table : {1, 2, 3}) {
      const auto read = ReadTable(*log_, table);
      ASSERT_TRUE(read.ok()) << read.status();
      records += read->size();
    }
    EXPECT_EQ(records, kRecords);
  }
};

TEST_F(RocksdbCompanionTest, AMissingCurrentIsDamageAndNoNewDatabase) {
  ASSERT_TRUE(disk_.RemoveFile(absl::StrCat(kDirectory, "CURRENT")).ok());
  ExpectRefused("CURRENT");
}

TEST_F(RocksdbCompanionTest, ACurrentThatNamesAnOlderManifestIsDamage) {
  Write(absl::StrCat(kDirectory, "CURRENT"), "MANIFEST-000001\n");
  ExpectRefused("CURRENT");
}

TEST_F(RocksdbCompanionTest, AMissingManifestIsDamage) {
  const std::string manifest = Manifest();
  ASSERT_TRUE(disk_.RemoveFile(manifest).ok());
  ExpectRefused(manifest);
}

TEST_F(RocksdbCompanionTest, EveryBitOfTheManifestCounts) {
  const std::string manifest = Manifest();
  const std::string bytes = disk_.ReadWhole(manifest);
  for (uint64_t bit = 0; bit < 8 * bytes.size(); bit += 7) {
    disk_.FlipBit(manifest, bit / 8, static_cast<int>(bit % 8));
    ExpectRefused(manifest);
    disk_.FlipBit(manifest, bit / 8, static_cast<int>(bit % 8));
    if (HasFailure()) FAIL() << "bit " << bit;
  }
  ExpectAllRecords();
}

TEST_F(RocksdbCompanionTest, AManifestThatLacksItsEndIsDamage) {
  const std::string manifest = Manifest();
  disk_.ShrinkSize(manifest, 1);
  ExpectRefused(manifest);
  disk_.ShrinkSize(manifest, disk_.ReadWhole(manifest).size() / 2);
  ExpectRefused(manifest);
}

TEST_F(RocksdbCompanionTest, AMissingLogIsDamage) {
  const std::string log = Files(".log").back();
  ASSERT_TRUE(disk_.RemoveFile(log).ok());
  ExpectRefused(log);
}

TEST_F(RocksdbCompanionTest, ALogThatLacksItsEndIsDamageWhereverItIsCut) {
  const std::string log = Files(".log").back();
  const std::string bytes = disk_.ReadWhole(log);
  ASSERT_GT(bytes.size(), 0u);
  for (uint64_t kept = 0; kept < bytes.size(); kept += 1 + bytes.size() / 20) {
    Write(log, bytes.substr(0, kept));
    ExpectRefused(log);
  }
  Write(log, bytes.substr(0, bytes.size() - 1));
  ExpectRefused(log);
}

TEST_F(RocksdbCompanionTest, AZeroedLogIsDamage) {
  const std::string log = Files(".log").back();
  Write(log, std::string(disk_.ReadWhole(log).size(), '\0'));
  ExpectRefused(log);
}

TEST_F(RocksdbCompanionTest, TheLastGroupBeforeACleanCloseIsNoTornTail) {
  const std::string log = Files(".log").back();
  disk_.FlipBit(log, disk_.ReadWhole(log).size() - 1, 3);
  ExpectRefused(log);
}

TEST_F(RocksdbCompanionTest, ALogThatAnotherProgramAddedIsNotReplayed) {
  const std::string bytes = disk_.ReadWhole(Files(".log").back());
  Write(absl::StrCat(kDirectory, "900000.log"), bytes);
  ExpectRefused("900000.log", ErrorReason::kChangedElsewhere);
}

TEST_F(RocksdbCompanionTest, ATableFileThatAnotherProgramAddedIsNotRemoved) {
  const std::string bytes = disk_.ReadWhole(Files(".sst").back());
  Write(absl::StrCat(kDirectory, "900000.sst"), bytes);
  ExpectRefused("900000.sst", ErrorReason::kChangedElsewhere);
}

TEST_F(RocksdbCompanionTest, AFileThatGrewSinceItWasClosedWasChangedElsewhere) {
  for (const std::string& file : {Manifest(), Files(".log").back()}) {
    const std::string bytes = disk_.ReadWhole(file);
    Write(file, bytes + "more");
    ExpectRefused(file, ErrorReason::kChangedElsewhere);
    Write(file, bytes);
  }
  ExpectAllRecords();
}

TEST_F(RocksdbCompanionTest, AMissingTableFileIsDamageWithItsName) {
  const std::string table = Files(".sst").front();
  ASSERT_TRUE(disk_.RemoveFile(table).ok());
  ExpectRefused(table);
}

TEST_F(RocksdbCompanionTest, ATableFileThatLacksItsEndIsDamageWithItsName) {
  const std::string table = Files(".sst").front();
  disk_.ShrinkSize(table, 100);
  ExpectRefused(table);
}

TEST_F(RocksdbCompanionTest, AMissingCompanionFileIsNoticed) {
  ASSERT_TRUE(disk_.RemoveFile(absl::StrCat(kDirectory, rocks::kCompanionFile)).ok());
  ExpectRefused(rocks::kCompanionFile);
}

TEST_F(RocksdbCompanionTest, ACompanionFileWithoutAValidHalfIsDamage) {
  Write(absl::StrCat(kDirectory, rocks::kCompanionFile), std::string(100, 'x'));
  ExpectRefused(rocks::kCompanionFile);
}

TEST_F(RocksdbCompanionTest, EitherHalfOfTheCompanionFileIsEnough) {
  const std::string path = absl::StrCat(kDirectory, rocks::kCompanionFile);
  for (const size_t half : {0, 1}) {
    disk_.FlipBit(path, half * rocks::kSlotBytes + 40, 2);
    const std::string log = Files(".log").back();
    const std::string bytes = disk_.ReadWhole(log);
    Write(log, bytes.substr(0, bytes.size() - 1));
    ExpectRefused(log);
    Write(log, bytes);
    disk_.FlipBit(path, half * rocks::kSlotBytes + 40, 2);
  }
}

TEST_F(RocksdbCompanionTest, AnIdThatWasEditedIsRefusedWithBothValues) {
  namespace_id_ = 9;
  EXPECT_THAT(ExpectRefused("id 9", ErrorReason::kWrongNamespace), HasSubstr("id 1"));
  namespace_id_ = 1;
  ExpectAllRecords();
}

TEST_F(RocksdbCompanionTest, ALogWhoseRemovalWasUndoneIsRemovedAgain) {
  // The removal of the first log of all was undone by a power cut.
  Write(absl::StrCat(kDirectory, "000001.log"), "whatever it held is in table files");
  ExpectAllRecords();
  EXPECT_FALSE(disk_.Exists(absl::StrCat(kDirectory, "000001.log")));
}

TEST_F(RocksdbCompanionTest, WhatARegionWroteBeforeItWasIdleIsNoTornTailAfterAKill) {
  OpenEngine();
  ASSERT_TRUE(Open().ok());
  Append(1, "acknowledged");
  ASSERT_TRUE(NoteDurableAndWait(*log_).ok());
  disk_.Kill();
  Stop();
  disk_.Restart();
  const std::string log = Files(".log").back();
  disk_.ShrinkSize(log, 1);
  ExpectRefused(log);
}

TEST_F(RocksdbCompanionTest, AppendsCostNoMoreSyncsThanGroups) {
  OpenEngine();
  ASSERT_TRUE(Open().ok());
  Append(1, "the first after an opening makes the log's name durable");
  uint64_t syncs = 0;
  disk_.SetTrace([&](const std::string& operation) {
    if (absl::StrContains(operation, " fdatasync ") && absl::StrContains(operation, "default"))
      ++syncs;
  });
  constexpr uint64_t kGroups = 20;
  for (uint64_t i = 0; i < kGroups; ++i) Append(1, "small");
  disk_.SetTrace(nullptr);
  EXPECT_EQ(syncs, kGroups);
}

}  // namespace
}  // namespace walden
