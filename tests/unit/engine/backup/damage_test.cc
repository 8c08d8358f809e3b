// Damage at every byte of a backup is found, and named.
#include "base/error.h"
#include "engine/backup/directory.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/engine/backup/backup_fixture.h"

namespace walden::backup {
namespace {

using testing::FaultFileSystem;
using ::testing::HasSubstr;

SourceLog SmallLog() {
  SourceLog log;
  log.Append(1, "one");
  log.Append(1, "two", /*gap=*/4);
  log.Append(2, "");
  log.Append(3, std::string(50, 'x'));
  log.MarkDeleted(2, 1);
  return log;
}

class DamageTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(BackUp(&disk_, SmallLog()).ok()); }

  const std::string region_ = RegionDirectory(kBackup, kRegion);
  const std::string data_ = region_ + "/data_0";
  FaultFileSystem disk_;
};

TEST_F(DamageTest, EveryFlippedBitOfADataFileIsFoundAndTheFileNamed) {
  const uint64_t size = disk_.ReadWhole(data_).size();
  for (uint64_t at = 0; at < size; ++at) {
    for (const int bit : {0, 4, 7}) {
      disk_.FlipBit(data_, at, bit);
      const auto verified = VerifyAll(&disk_);
      ASSERT_TRUE(verified.ok()) << verified.status();
      ASSERT_FALSE(verified->findings.empty()) << "byte " << at << " bit " << bit;
      const DamagedRange& finding = verified->findings.front();
      EXPECT_EQ(finding.file, "region_7/data_0");
      EXPECT_LE(finding.offset, at);
      EXPECT_LT(at, finding.offset + finding.length);
      disk_.FlipBit(data_, at, bit);
    }
  }
  EXPECT_TRUE(VerifyAll(&disk_)->findings.empty());
}

TEST_F(DamageTest, DamageOnTheMediumIsFoundUnderACacheThatIsStillRight) {
  for (const std::string& path : {data_, region_ + "/manifest.json"}) {
    disk_.FlipBitUnderCache(path, 40, 3);
    EXPECT_FALSE(VerifyAll(&disk_)->findings.empty()) << path;
    disk_.FlipBitUnderCache(path, 40, 3);
  }
  EXPECT_TRUE(VerifyAll(&disk_)->findings.empty());
}

TEST_F(DamageTest, EveryFlippedBitOfTheManifestIsFound) {
  const std::string path = region_ + "/manifest.json";
  const uint64_t size = disk_.ReadWhole(path).size();
  for (uint64_t at = 0; at < size; ++at) {
    disk_.FlipBit(path, at, static_cast<int>(at % 8));
    const auto verified = VerifyAll(&disk_);
    ASSERT_TRUE(verified.ok()) << verified.status();
    ASSERT_FALSE(verified->findings.empty()) << "byte " << at;
    EXPECT_EQ(verified->findings.front().file, "region_7/manifest.json");
    // Nothing is added to a backup that is damaged.
    EXPECT_TRUE(absl::IsDataLoss(RegionWriter::Open(TargetOn(&disk_)).status()));
    disk_.FlipBit(path, at, static_cast<int>(at % 8));
  }
}

TEST_F(DamageTest, EveryFlippedBitOfTheIdentityIsFound) {
  const std::string path = absl::StrCat(kBackup, "/backup.json");
  const uint64_t size = disk_.ReadWhole(path).size();
  for (uint64_t at = 0; at < size; ++at) {
    disk_.FlipBit(path, at, static_cast<int>(at % 8));
    const absl::Status status = ListBackup(&disk_, kBackup).status();
    ASSERT_TRUE(absl::IsDataLoss(status)) << "byte " << at << ": " << status;
    EXPECT_THAT(status.message(), HasSubstr("backup.json"));
    disk_.FlipBit(path, at, static_cast<int>(at % 8));
  }
}

TEST_F(DamageTest, AReaderOfADamagedRecordSaysWhereAndNeverServesIt) {
  const size_t at = disk_.ReadWhole(data_).find("two");
  disk_.FlipBit(data_, at, 1);
  const auto reader = RegionReader::Open(&disk_, kBackup, kRegion);
  ASSERT_TRUE(reader.ok()) << reader.status();
  const auto records = (*reader)->NewReader({.table = 1});
  ASSERT_TRUE(records.ok());
  std::vector<std::string> seen;
  const auto read =
      (*records)->Next({}, [&](const RecordView& record) { seen.emplace_back(record.payload); });
  EXPECT_TRUE(HasReason(read.status(), ErrorReason::kCorruption)) << read.status();
  EXPECT_THAT(read.status().message(), HasSubstr("data_0: checksum does not match"));
  EXPECT_THAT(seen, ::testing::ElementsAre("one"));
}

TEST_F(DamageTest, ABackupWithoutOneOfItsFilesIsDamaged) {
  ASSERT_TRUE(disk_.RemoveFile(data_).ok());
  const auto verified = VerifyAll(&disk_);
  ASSERT_TRUE(verified.ok()) << verified.status();
  ASSERT_EQ(verified->findings.size(), 1u);
  EXPECT_EQ(verified->findings[0].reason, "the file is gone");
  const absl::Status refused = RegionWriter::Open(TargetOn(&disk_)).status();
  EXPECT_TRUE(absl::IsDataLoss(refused)) << refused;
  EXPECT_THAT(refused.message(), HasSubstr("data_0"));
}

TEST_F(DamageTest, ARegionsDirectoryUnderAnotherRegionsNameIsNoticed) {
  ASSERT_TRUE(disk_.Rename(region_, RegionDirectory(kBackup, 8)).ok());
  const auto verified = VerifyAll(&disk_, 8);
  ASSERT_TRUE(verified.ok());
  ASSERT_FALSE(verified->findings.empty());
  EXPECT_EQ(verified->findings[0].reason, "it is of region 7");
  EXPECT_TRUE(absl::IsDataLoss(RegionReader::Open(&disk_, kBackup, 8).status()));
  const absl::Status refused = RegionWriter::Open(TargetOn(&disk_, 8)).status();
  EXPECT_TRUE(HasReason(refused, ErrorReason::kWrongBackup)) << refused;
}

TEST_F(DamageTest, WhatWasCutOffIsNoUnfinishedBackup) {
  auto file = disk_.OpenFile(data_, FileSystem::OpenMode::kReadWrite);
  ASSERT_TRUE(file.ok() && (*file)->Write(disk_.ReadWhole(data_).size(), {"g"}).ok());
  EXPECT_EQ(VerifyAll(&disk_)->unfinished_bytes, 1u);
  ASSERT_TRUE(BackUp(&disk_, SmallLog()).ok());
  EXPECT_EQ(VerifyAll(&disk_)->unfinished_bytes, 0u);
}

TEST_F(DamageTest, EveryRecordThatIsMetAsLeftOutIsNamed) {
  SourceLog log = SmallLog();
  log.Append(1, "far behind", /*gap=*/10);
  Cut cut = log.TakeCut();
  const auto met = [&](uint64_t offset, SequenceNumber first, SequenceNumber last) {
    cut.damage.push_back(
        {1, {.file = "default/7/seg_0", .offset = offset, .first = first, .last = last}});
  };
  for (const SequenceNumber sequence : {3, 4, 5}) met(9, sequence, sequence);
  met(9, 8, 9);
  met(80, 10, 10);
  const auto writer = RegionWriter::Open(TargetOn(&disk_));
  ASSERT_TRUE(writer.ok() && (*writer)->Commit(cut).ok());
  // The next backup meets what is left of it, and what has come since.
  cut.damage.clear();
  met(9, 5, 6);
  const auto again = RegionWriter::Open(TargetOn(&disk_));
  ASSERT_TRUE(again.ok() && (*again)->Commit(cut).ok());
  const auto manifest = ReadManifest(&disk_, region_);
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  std::vector<std::string> named;
  for (const TableDamage& damage : manifest->damage) {
    named.push_back(
        absl::StrCat(damage.range.offset, ": ", damage.range.first, "-", damage.range.last));
  }
  EXPECT_THAT(named, ::testing::ElementsAre("9: 3-6", "9: 8-9", "80: 10-10"));
}

TEST_F(DamageTest, WhatWasLeftOutIsNamedUntilItIsMarkedDeleted) {
  SourceLog log = SmallLog();
  Cut cut = log.TakeCut();
  cut.damage.push_back({1, {.file = "default/7/seg_0", .offset = 9, .first = 2, .last = 5}});
  for (int i = 0; i < 2; ++i) {
    const auto writer = RegionWriter::Open(TargetOn(&disk_));
    ASSERT_TRUE(writer.ok() && (*writer)->Commit(cut).ok());
    const auto manifest = ReadManifest(&disk_, region_);
    ASSERT_TRUE(manifest.ok()) << manifest.status();
    ASSERT_EQ(manifest->damage.size(), 1u);
    EXPECT_EQ(manifest->damage[0].table, 1u);
    EXPECT_EQ(manifest->damage[0].range.last, 5u);
  }
  log.MarkDeleted(1, 5);
  ASSERT_TRUE(BackUp(&disk_, log).ok());
  EXPECT_TRUE(ReadManifest(&disk_, region_)->damage.empty());
}

}  // namespace
}  // namespace walden::backup
