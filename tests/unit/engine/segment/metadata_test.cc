// The metadata file through crashes, rot and full disks.
#include "engine/segment/metadata_file.h"

#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fault_file_system.h"

namespace walden::segment {
namespace {

using ::testing::HasSubstr;

const MetadataIdentity kIdentity{1, "default", 7};
constexpr size_t kFirstEntry = kMetadataHeaderBytes + kEntryHeaderBytes + 6 * 8;

MetadataEntry Created(uint64_t id, SequenceNumber expected, uint64_t bytes) {
  return MetadataEntry::SegmentCreated(
      expected, {.alignment = 512, .salt = 17, .segment = id, .bytes = bytes});
}

class MetadataTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(disk_.CreateDirectory("/region").ok());
    ASSERT_TRUE(disk_.SyncDirectory("/").ok());
    auto made = MetadataFile::Create(&disk_, "/region", kIdentity, {Created(0, 1, 4096)});
    ASSERT_TRUE(made.ok()) << made.status();
    metadata_ = *std::move(made);
  }

  absl::StatusOr<LoadedMetadata> Load() {
    auto file = disk_.OpenFile("/region/metadata", FileSystem::OpenMode::kReadOnly);
    if (!file.ok()) return file.status();
    return LoadMetadata(**file, "region/metadata");
  }

  void Reopen() {
    auto loaded = Load();
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    auto opened = MetadataFile::Open(&disk_, "/region", *std::move(loaded));
    ASSERT_TRUE(opened.ok()) << opened.status();
    metadata_ = *std::move(opened);
  }

  void Mark(TableId table, SequenceNumber through) {
    ASSERT_TRUE(metadata_->Append({MetadataEntry::TableMark(table, through)}).ok());
  }

  testing::FaultFileSystem disk_;
  std::unique_ptr<MetadataFile> metadata_;
};

TEST_F(MetadataTest, WhatWasAppendedIsThereAfterAPowerCut) {
  Mark(7, 41);
  ASSERT_TRUE(metadata_
                  ->Append({MetadataEntry::RegionVersion(3), MetadataEntry::SequenceReserved(9),
                            MetadataEntry::SegmentSealed(0, 100, 42), Created(1, 42, 8192)})
                  .ok());
  disk_.PowerCut();
  disk_.Restart();
  Reopen();
  const MetadataState& state = metadata_->state();
  EXPECT_EQ(state.marks.at(7), 41u);
  EXPECT_EQ(state.region_version, 3u);
  EXPECT_EQ(state.reserved_through, 9u);
  EXPECT_EQ(state.segments.at(0).expected_behind, 42u);
  EXPECT_EQ(state.segments.at(1).bytes, 8192u);
  EXPECT_EQ(state.next_segment_id, 2u);
}

TEST_F(MetadataTest, ReplacingKeepsEverythingThatMatters) {
  ASSERT_TRUE(metadata_
                  ->Append({MetadataEntry::SegmentSealed(0, 100, 10), Created(1, 10, 8192),
                            MetadataEntry::SegmentSealed(1, 100, 20), Created(2, 20, 8192),
                            MetadataEntry::SegmentDeleted(1), MetadataEntry::RegionVersion(5)})
                  .ok());
  // More than the file holds.
  for (SequenceNumber n = 1; n <= 3000; ++n) Mark(n % 100, n);
  Reopen();
  const MetadataState& state = metadata_->state();
  EXPECT_EQ(state.marks.size(), 100u);
  EXPECT_EQ(state.marks.at(99), 2999u);
  EXPECT_EQ(state.region_version, 5u);
  EXPECT_EQ(state.segments.size(), 2u);
  EXPECT_EQ(state.segments.at(0).expected_behind, 10u);
  EXPECT_EQ(state.segments.at(0).sealed_end, 100u);
  EXPECT_EQ(state.next_segment_id, 3u);
}

TEST_F(MetadataTest, ACutEntryIsRemovedAndNothingElse) {
  Mark(1, 1);
  for (uint64_t seed = 0; seed < 50; ++seed) {
    disk_.CrashAt(1, testing::Crash::kPowerCut);
    (void)metadata_->Append(
        {MetadataEntry::TableMark(2, seed + 1), MetadataEntry::TableMark(3, 1)});
    disk_.Restart();
    Reopen();
    EXPECT_EQ(metadata_->state().marks.at(1), 1u);
    Mark(1, 1);
    Reopen();
  }
}

TEST_F(MetadataTest, AFlippedBitInAnOldEntryIsDamageWithItsOffset) {
  Mark(1, 1);
  Mark(2, 2);
  Mark(3, 3);
  const uint64_t second = kFirstEntry + kEntryHeaderBytes + 16;
  disk_.FlipBit("/region/metadata", second + kEntryHeaderBytes + 15, 0);
  const auto loaded = Load();
  EXPECT_TRUE(absl::IsDataLoss(loaded.status())) << loaded.status();
  EXPECT_EQ(GetErrorInfo(loaded.status())->metadata.at("offset"), std::to_string(second));
}

TEST_F(MetadataTest, AFlippedBitInTheLastEntryIsDamageToo) {
  Mark(0x0101010101010101, 0x0101010101010101);
  const uint64_t last = kFirstEntry;
  disk_.FlipBit("/region/metadata", last + kEntryHeaderBytes + 15, 0);
  EXPECT_TRUE(absl::IsDataLoss(Load().status())) << Load().status();
}

TEST_F(MetadataTest, AShorterFileIsDamageEvenIfItEndsWithAnEntry) {
  Mark(1, 1);
  Mark(2, 2);
  const uint64_t size = disk_.ReadWhole("/region/metadata").size();
  disk_.ShrinkSize("/region/metadata", size - kFirstEntry - kEntryHeaderBytes - 16);
  EXPECT_TRUE(absl::IsDataLoss(Load().status())) << Load().status();
}

TEST_F(MetadataTest, AnEntryThatIsMissingInTheMiddleIsDamage) {
  for (SequenceNumber n = 1; n <= 3; ++n) Mark(1, n);
  const uint64_t second = kFirstEntry + kEntryHeaderBytes + 16;
  for (uint64_t i = 0; i < kEntryHeaderBytes + 16; ++i) {
    disk_.SetByte("/region/metadata", second + i, 0);
  }
  EXPECT_TRUE(absl::IsDataLoss(Load().status())) << Load().status();
}

TEST_F(MetadataTest, AQuarantineOutlivesItsSegmentOnlyIfItMayHaveHeldRecords) {
  const MetadataEntry lost{EntryType::kQuarantined, {0, 512, 1024, 3, 4}};
  const MetadataEntry padding{EntryType::kQuarantined, {0, 2048, 2560, 0, 0}};
  ASSERT_TRUE(metadata_->Append({lost, padding, MetadataEntry::SegmentDeleted(0)}).ok());
  ASSERT_EQ(metadata_->state().quarantines.size(), 1u);
  EXPECT_EQ(metadata_->state().quarantines[0].last, 4u);
}

TEST_F(MetadataTest, WritesAreNumberedAcrossReplacements) {
  for (SequenceNumber n = 1; n <= 3000; ++n) Mark(n % 10, n);
  EXPECT_GT(metadata_->last_append(), 3000u);
  const uint64_t before = metadata_->last_append();
  Reopen();
  EXPECT_EQ(metadata_->last_append(), before);
}

TEST_F(MetadataTest, TheFileSaysWhoseItIs) {
  auto file = disk_.OpenFile("/region/metadata", FileSystem::OpenMode::kReadOnly);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(*ReadMetadataIdentity(**file), kIdentity);
  EXPECT_EQ(Load()->identity, kIdentity);
}

TEST_F(MetadataTest, MarksFitOnAFullDisk) {
  disk_.SetCapacity(disk_.UsedBytes());
  for (SequenceNumber n = 1; n <= 1000; ++n) Mark(1, n);
}

TEST_F(MetadataTest, WhenNoRoomIsLeftAtAllNothingChanges) {
  disk_.SetCapacity(disk_.UsedBytes());
  absl::Status status;
  TableId table = 0;
  while (status.ok() && table < 100'000)
    status = metadata_->Append({MetadataEntry::TableMark(++table, 1)});
  EXPECT_TRUE(HasReason(status, ErrorReason::kDiskFull)) << status;
  EXPECT_EQ(metadata_->state().marks.size(), table - 1);
  disk_.SetCapacity(uint64_t{1} << 40);
  Mark(table, 1);
  Reopen();
  EXPECT_EQ(metadata_->state().marks.size(), table);
}

TEST_F(MetadataTest, AnIoErrorIsNotTheEndOfTheFile) {
  Mark(1, 1);
  disk_.FailAll(testing::file_op::kRead, EIO);
  EXPECT_TRUE(absl::IsUnavailable(Load().status())) << Load().status();
}

}  // namespace
}  // namespace walden::segment
