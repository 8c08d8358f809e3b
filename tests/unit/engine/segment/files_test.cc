// Segment files under a running engine: on other file systems, cut, replaced, rotten.
#include "engine/wait.h"
#include "tests/unit/engine/segment/engine_fixture.h"

namespace walden::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class SegmentFilesTest : public SegmentEngineTest {
 protected:
  void SetUp() override {
    SegmentEngineTest::SetUp();
    OpenEngine();
    OpenRegion();
  }

  std::vector<DamagedRange> Findings(const absl::Status& verified) {
    EXPECT_TRUE(verified.ok()) << verified;
    return std::exchange(findings_, {});
  }
  bool Note(const VerifyProgress& progress) {
    findings_.insert(findings_.end(), progress.findings.begin(), progress.findings.end());
    return true;
  }
  std::vector<DamagedRange> VerifyOpen() {
    return Findings(log_->Verify([this](const VerifyProgress& p) { return Note(p); }));
  }
  std::vector<DamagedRange> VerifyClosed() {
    return Findings(
        engine_->VerifyClosedRegion(kRegion, [this](const VerifyProgress& p) { return Note(p); }));
  }

  uint64_t PlaceOf(const std::string& path, const std::string& bytes) {
    return disk_.ReadWhole(path).find(bytes);
  }

  std::vector<DamagedRange> findings_;
};

TEST_F(SegmentFilesTest, ReadingPastTheEndOfACutFileNamesFilePlaceAndRecords) {
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(Append(1, 100'000).status.ok());
  disk_.ShrinkSize("/data/ns/7/seg_0", 120'000);
  const auto read = ReadTable(*log_, 1);
  ASSERT_TRUE(absl::IsDataLoss(read.status())) << read.status();
  auto info = GetErrorInfo(read.status());
  ASSERT_TRUE(info.has_value()) << read.status();
  EXPECT_EQ(info->metadata["file"], "ns/7/seg_0");
  EXPECT_NE(info->metadata["offset"], "");
  EXPECT_EQ(info->metadata["first_sequence"], "2");
  EXPECT_NE(info->metadata["last_sequence"], "");
}

TEST_F(SegmentFilesTest, WithoutSharedMappingsEverythingIsReadByCalls) {
  disk_.FailAll(file_op::kMap, ENODEV);
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(Append(1, 200'000).status.ok());
  const auto read = ReadTable(*log_, 1);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->size(), 8u);
  EXPECT_EQ(ReadAll(*log_, {})->size(), 8u);
}

// A mark in a file that lost its name would be gone with the next opening.
TEST_F(SegmentFilesTest, NoMarkIsAcknowledgedInMetadataThatWasTakenAway) {
  for (const bool cut : {false, true}) {
    SCOPED_TRACE(cut);
    const RegionId region = cut ? 101 : 102;
    ASSERT_TRUE(TryOpenRegion(region).ok());
    Append(1, 100);
    const std::string metadata = "/data/ns/" + std::to_string(region) + "/metadata";
    if (cut) {
      disk_.ShrinkSize(metadata, 4096);
    } else {
      ASSERT_TRUE(disk_.RemoveFile(metadata).ok());
    }
    EXPECT_FALSE(MarkTableAndWait(*log_, 1, 1, std::nullopt).ok());
    EXPECT_FALSE(log_->Health().ok());
    EXPECT_FALSE(Append(1, 100).status.ok());
  }
}

TEST_F(SegmentFilesTest, ARegionOnAnotherFileSystemGrows) {
  spares_ = 1;
  OpenEngine();
  background_.RunAll();
  disk_.Mount("/data/ns/7", uint64_t{1} << 40, uint64_t{1} << 40);
  OpenRegion();
  for (int i = 0; i < 40; ++i) {
    const BatchResult result = Append(1, 100'000);
    ASSERT_TRUE(result.status.ok()) << result.status;
  }
  Restart();
  EXPECT_EQ(ReadTable(*log_, 1)->size(), 40u);
}

TEST_F(SegmentFilesTest, NothingIsAcknowledgedInASegmentThatWasCut) {
  ASSERT_TRUE(Append(1, 1000).status.ok());
  disk_.ShrinkSize("/data/ns/7/seg_0", kSegmentBytes - 500);
  const BatchResult result = Append(1, 1000);
  EXPECT_TRUE(HasReason(result.status, ErrorReason::kRegionFailed)) << result.status;
  EXPECT_THAT(std::string(result.status.message()), HasSubstr("seg_0"));
  EXPECT_FALSE(log_->Health().ok());
}

TEST_F(SegmentFilesTest, NothingIsAcknowledgedInASegmentThatWasRemoved) {
  ASSERT_TRUE(Append(1, 1000).status.ok());
  ASSERT_TRUE(disk_.RemoveFile("/data/ns/7/seg_0").ok());
  EXPECT_TRUE(HasReason(Append(1, 1000).status, ErrorReason::kRegionFailed));
}

TEST_F(SegmentFilesTest, NothingIsAcknowledgedInASegmentThatWasReplaced) {
  ASSERT_TRUE(Append(1, 1000).status.ok());
  auto other = disk_.CreateFile("/data/other");
  ASSERT_TRUE(other.ok());
  ASSERT_TRUE((*other)->Allocate(kSegmentBytes).ok());
  ASSERT_TRUE(disk_.Rename("/data/other", "/data/ns/7/seg_0").ok());
  EXPECT_TRUE(HasReason(Append(1, 1000).status, ErrorReason::kRegionFailed));
  CommitOne(*log_, {.table = 1, .payloads = {"x"}, .durability = Durability::kBuffered});
  EXPECT_FALSE(log_->Health().ok());
}

TEST_F(SegmentFilesTest, ReadingASealedSegmentThatWasCutIsDataLoss) {
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(Append(1, 100'000).status.ok());
  disk_.ShrinkSize("/data/ns/7/seg_0", kSegmentBytes - 500);
  const auto read = ReadTable(*log_, 1);
  EXPECT_TRUE(absl::IsDataLoss(read.status())) << read.status();
  EXPECT_EQ(ErrorValue(read.status(), "offset"), "587") << "where the first record begins";
}

TEST_F(SegmentFilesTest, VerifyReadsTheDiskAndNotTheCache) {
  ASSERT_TRUE(Append(1, 1000, 'y').status.ok());
  EXPECT_THAT(VerifyOpen(), IsEmpty());
  const std::string path = "/data/ns/7/seg_0";
  disk_.FlipBitUnderCache(path, PlaceOf(path, "yyyyyy") + 5, 3);
  EXPECT_TRUE(ReadTable(*log_, 1).ok()) << "the cache is right";
  EXPECT_EQ(VerifyOpen().size(), 1u);
  ASSERT_TRUE(CloseAndWait(*log_).ok());
  log_ = nullptr;
  EXPECT_EQ(VerifyClosed().size(), 1u);
}

TEST_F(SegmentFilesTest, VerifyChecksTheMetadataOfAnOpenRegion) {
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Append(1, 1000).status.ok());
  ASSERT_TRUE(MarkTableAndWait(*log_, 1, 2, std::nullopt).ok());
  EXPECT_THAT(VerifyOpen(), IsEmpty());
  const std::string path = "/data/ns/7/metadata";
  disk_.FlipBitUnderCache(path, 40, 3);
  const std::vector<DamagedRange> findings = VerifyOpen();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].file, "ns/7/metadata");
}

TEST_F(SegmentFilesTest, VerifyFindsThatTheMetadataFileOfAnOpenRegionIsMissing) {
  ASSERT_TRUE(Append(1, 1000).status.ok());
  ASSERT_TRUE(disk_.RemoveFile("/data/ns/7/metadata").ok());
  const std::vector<DamagedRange> findings = VerifyOpen();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].reason, "the file is missing");
}

}  // namespace
}  // namespace walden::testing
