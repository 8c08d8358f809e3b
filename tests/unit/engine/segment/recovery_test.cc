// A region's directory after accidents that only the segment engine can have.
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "base/error.h"
#include "engine/segment/format.h"
#include "engine/segment/inspect.h"
#include "engine/segment/segment_engine.h"
#include "engine/wait.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/log_verbs.h"

namespace walden {
namespace {

using testing::CommitOne;
using ::testing::HasSubstr;

// Three groups of one record of 1000 bytes, and room for the one that closing writes.
constexpr uint64_t kGroupBytes = 3 * 512;
constexpr uint64_t kSegmentBytes = 512 + 3 * kGroupBytes + 512;

class SegmentRecoveryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(disk_.CreateDirectory("/data").ok());
    OpenEngine();
  }

  void OpenEngine() {
    log_.reset();
    engine_.reset();
    auto engine = SegmentEngine::Open({.file_system = &disk_,
                                       .clock = Clock::Real(),
                                       .data_directory = "/data",
                                       .namespace_name = "default"});
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
  }

  absl::Status Open() {
    auto log = OpenRegionAndWait(*engine_, 1,
                                 {.recovery_policy = policy_, .segment_size_bytes = kSegmentBytes},
                                 /*create=*/true);
    if (log.ok()) log_ = *std::move(log);
    return log.status();
  }

  void Append(TableId table, int count) {
    for (int i = 0; i < count; ++i) {
      const auto result = CommitOne(*log_, {.table = table, .payloads = {std::string(1000, 'x')}});
      ASSERT_TRUE(result.status.ok()) << result.status;
    }
  }

  static std::string FileOf(int segment) {
    return "/data/default/1/seg_" + std::to_string(segment);
  }

  // Nine records of table 1, three in a segment. The second record of `segment` is then damaged and
  // quarantined.
  void QuarantineOneRecord(int segment, bool closed) {
    policy_ = RecoveryPolicy::kQuarantine;
    ASSERT_TRUE(Open().ok());
    Append(1, 9);
    EndLog(closed);
    disk_.FlipBit(FileOf(segment), 512 + kGroupBytes + 100, 0);
    const absl::Status status = Open();
    ASSERT_TRUE(status.ok()) << status;
    const auto damaged = log_->Describe().opening.damaged;
    ASSERT_EQ(damaged.size(), 1u);
    ASSERT_EQ(damaged[0].first, 3u * segment + 2);
    ASSERT_EQ(damaged[0].last, 3u * segment + 2);
    EndLog(/*closed=*/true);
  }

  void EndLog(bool closed) {
    if (closed) {
      ASSERT_TRUE(CloseAndWait(*log_).ok());
    }
    log_.reset();
    OpenEngine();
  }

  // Checks that each number through `last` is read, or is DATA_LOSS, and is not given out again.
  // Returns how many are read.
  int ReadableThrough(SequenceNumber last) {
    int readable = 0;
    for (SequenceNumber number = 1; number <= last; ++number) {
      const auto read = testing::ReadAll(*log_, {.table = 1, .first = number, .last = number});
      if (read.ok()) {
        EXPECT_EQ(read->size(), 1u) << number << " is hidden";
        ++readable;
      } else {
        EXPECT_TRUE(absl::IsDataLoss(read.status())) << read.status();
      }
    }
    EXPECT_TRUE(absl::IsDataLoss(testing::ReadTable(*log_, 1).status()));
    EXPECT_GT(log_->Position(1).next, last);
    return readable;
  }

  testing::FaultFileSystem disk_;
  RecoveryPolicy policy_ = RecoveryPolicy::kRefuse;
  std::unique_ptr<SegmentEngine> engine_;
  std::unique_ptr<RegionLog> log_;
};

TEST_F(SegmentRecoveryTest, AMissingSegmentIsDamageWithItsRange) {
  ASSERT_TRUE(Open().ok());
  Append(1, 9);  // three in a segment
  ASSERT_TRUE(CloseAndWait(*log_).ok());
  log_.reset();
  ASSERT_TRUE(disk_.RemoveFile("/data/default/1/seg_1").ok());
  const absl::Status refused = Open();
  EXPECT_TRUE(absl::IsDataLoss(refused)) << refused;
  const auto info = GetErrorInfo(refused);
  EXPECT_EQ(info->metadata.at("file"), "default/1/seg_1");
  EXPECT_EQ(info->metadata.at("first_sequence"), "4");
  EXPECT_EQ(info->metadata.at("last_sequence"), "6");
  policy_ = RecoveryPolicy::kQuarantine;
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(testing::ReadAll(*log_, {.table = 1, .first = 7})->size(), 3u);
  EXPECT_TRUE(absl::IsDataLoss(testing::ReadTable(*log_, 1).status()));
  EXPECT_EQ(testing::ReadAll(*log_, {.table = 1, .pass_known_damage = true})->size(), 6u);
}

class SecondHarmTest : public SegmentRecoveryTest,
                       public ::testing::WithParamInterface<std::tuple<int, bool>> {
 protected:
  int segment() const { return std::get<0>(GetParam()); }
  void SetUp() override {
    SegmentRecoveryTest::SetUp();
    QuarantineOneRecord(segment(), /*closed=*/std::get<1>(GetParam()));
  }

  // Opens the region three times, once after an append, and expects the loss of `segments`.
  void ExpectLost(const std::vector<int>& segments) {
    const int readable = 9 - 3 * static_cast<int>(segments.size());
    for (int opening = 0; opening < 3; ++opening) {
      SCOPED_TRACE(opening);
      const absl::Status status = Open();
      ASSERT_TRUE(status.ok()) << status;
      EXPECT_EQ(log_->Describe().opening.outcome, OpeningReport::Outcome::kQuarantined);
      EXPECT_EQ(ReadableThrough(9), readable);
      if (opening == 1) {
        const auto result = CommitOne(*log_, {.table = 1, .payloads = {"new"}});
        ASSERT_TRUE(result.status.ok()) << result.status;
        EXPECT_GT(result.first, 9u);
      }
      EndLog(/*closed=*/true);
    }
    policy_ = RecoveryPolicy::kRefuse;
    EXPECT_TRUE(absl::IsDataLoss(Open()));
  }
};
INSTANTIATE_TEST_SUITE_P(Segments, SecondHarmTest,
                         ::testing::Combine(::testing::Values(0, 1, 2), ::testing::Bool()));

TEST_P(SecondHarmTest, AMissingSegmentLosesMoreThanWasQuarantinedBefore) {
  ASSERT_TRUE(disk_.RemoveFile(FileOf(segment())).ok());
  ASSERT_TRUE(Open().ok());
  const auto damaged = log_->Describe().opening.damaged;
  ASSERT_EQ(damaged.size(), 1u);
  EXPECT_EQ(damaged[0].first, 3u * segment() + 1);
  EXPECT_GE(damaged[0].last, 3u * segment() + 3);
  EXPECT_EQ(damaged[0].reason, "the file is missing");
  EndLog(/*closed=*/true);
  ExpectLost({segment()});
}

TEST_P(SecondHarmTest, AllMissingSegmentsAreDamage) {
  for (int gone = 0; gone < 3; ++gone) ASSERT_TRUE(disk_.RemoveFile(FileOf(gone)).ok());
  ExpectLost({0, 1, 2});
}

TEST_P(SecondHarmTest, AnotherMissingSegmentIsDamageToo) {
  const int other = (segment() + 1) % 3;
  ASSERT_TRUE(disk_.RemoveFile(FileOf(segment())).ok());
  ASSERT_TRUE(disk_.RemoveFile(FileOf(other)).ok());
  ExpectLost({segment(), other});
}

TEST_P(SecondHarmTest, AnEmptiedSegmentIsDamage) {
  disk_.ShrinkSize(FileOf(segment()), kSegmentBytes);
  ExpectLost({segment()});
}

TEST_P(SecondHarmTest, AnEmptiedSegmentIsDamageAfterItsUnusedEndWasCut) {
  disk_.ShrinkSize(FileOf(segment()), 512);
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(ReadableThrough(9), 8);
  EndLog(/*closed=*/true);
  disk_.ShrinkSize(FileOf(segment()), kSegmentBytes - 512);
  ExpectLost({segment()});
}

TEST_P(SecondHarmTest, ASegmentOfZerosIsDamage) {
  for (uint64_t at = 0; at < kSegmentBytes; ++at) disk_.SetByte(FileOf(segment()), at, 0);
  ExpectLost({segment()});
}

TEST_P(SecondHarmTest, ZerosInPlaceOfTheLastRecordAreDamage) {
  for (uint64_t at = 512 + 2 * kGroupBytes; at < kSegmentBytes; ++at)
    disk_.SetByte(FileOf(segment()), at, 0);
  for (const int opening : {0, 1}) {
    SCOPED_TRACE(opening);
    ASSERT_TRUE(Open().ok());
    EXPECT_EQ(ReadableThrough(9), 7);
    EndLog(/*closed=*/true);
  }
}

TEST_P(SecondHarmTest, AReplacedSegmentIsDamage) {
  const std::string other = disk_.ReadWhole(FileOf((segment() + 1) % 3));
  for (uint64_t at = 0; at < kSegmentBytes; ++at) disk_.SetByte(FileOf(segment()), at, other[at]);
  ExpectLost({segment()});
}

TEST_F(SegmentRecoveryTest, DamageInASegmentWhoseSuccessorIsGoneIsFound) {
  ASSERT_TRUE(Open().ok());
  Append(1, 3);  // seg_0
  Append(2, 3);  // seg_1
  Append(1, 4);  // seg_2 and 3
  ASSERT_TRUE(MarkTableAndWait(*log_, 2, 6, std::nullopt).ok());
  ASSERT_FALSE(disk_.Exists("/data/default/1/seg_1"));
  ASSERT_TRUE(CloseAndWait(*log_).ok());
  // The last record of seg_0 turns to zeros, which would be a fine end for a newest segment.
  for (uint64_t at = 512 + 2 * kGroupBytes; at < 512 + 3 * kGroupBytes; ++at)
    disk_.SetByte("/data/default/1/seg_0", at, 0);
  EXPECT_TRUE(absl::IsDataLoss(Open()));
}

TEST_F(SegmentRecoveryTest, MissingMetadataRefusesTheRegion) {
  ASSERT_TRUE(Open().ok());
  Append(1, 1);
  ASSERT_TRUE(CloseAndWait(*log_).ok());
  ASSERT_TRUE(disk_.RemoveFile("/data/default/1/metadata").ok());
  policy_ = RecoveryPolicy::kQuarantine;
  const absl::Status status = Open();
  EXPECT_TRUE(absl::IsDataLoss(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("default/1/metadata is missing"));
}

TEST_F(SegmentRecoveryTest, ASegmentFileCutShortLosesWhatWasCutAndNoMore) {
  policy_ = RecoveryPolicy::kQuarantine;
  ASSERT_TRUE(Open().ok());
  Append(1, 5);
  ASSERT_TRUE(CloseAndWait(*log_).ok());
  log_.reset();
  disk_.ShrinkSize("/data/default/1/seg_0", 2000);
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(testing::ReadAll(*log_, {.table = 1, .first = 4})->size(), 2u);
  Append(1, 1);
  EXPECT_EQ(testing::ReadAll(*log_, {.table = 1, .first = 4})->size(), 3u);
}

TEST_F(SegmentRecoveryTest, InspectShowsADamagedRegionWithoutOpeningIt) {
  ASSERT_TRUE(Open().ok());
  Append(1, 3);
  Append(2, 2);
  ASSERT_TRUE(MarkTableAndWait(*log_, 1, 2, std::nullopt).ok());
  ASSERT_TRUE(CloseAndWait(*log_).ok());
  disk_.FlipBit("/data/default/1/seg_0", 512 + kGroupBytes + 100, 0);
  const auto region = segment::InspectRegion(&disk_, "/data/default/1");
  ASSERT_TRUE(region.ok()) << region.status();
  EXPECT_TRUE(region->metadata.ok());
  EXPECT_TRUE(region->closed_cleanly);
  ASSERT_EQ(region->segments.size(), 2u);
  ASSERT_EQ(region->segments[0].damage.size(), 1u);
  EXPECT_EQ(region->segments[0].damage[0].offset, 512u + kGroupBytes + segment::kGroupHeadBytes);
  EXPECT_EQ(region->segments[0].damage[0].first, 2u);
  EXPECT_EQ(region->segments[0].records, 2u);
  EXPECT_EQ(region->tables[0].deleted_through, 2u);
  EXPECT_EQ(region->next, 6u);
}

TEST_F(SegmentRecoveryTest, InspectWorksWithoutMetadata) {
  ASSERT_TRUE(Open().ok());
  Append(1, 5);
  ASSERT_TRUE(CloseAndWait(*log_).ok());
  ASSERT_TRUE(disk_.RemoveFile("/data/default/1/metadata").ok());
  const auto region = segment::InspectRegion(&disk_, "/data/default/1");
  ASSERT_TRUE(region.ok()) << region.status();
  EXPECT_TRUE(absl::IsDataLoss(region->metadata));
  ASSERT_EQ(region->segments.size(), 2u);
  EXPECT_EQ(region->segments[0].records, 3u);
  EXPECT_EQ(region->segments[1].records, 2u);
  EXPECT_TRUE(absl::IsNotFound(segment::InspectRegion(&disk_, "/data").status()));
}

TEST_F(SegmentRecoveryTest, WhatACrashLeftOfACreationOrADropIsRemoved) {
  ASSERT_TRUE(Open().ok());
  Append(1, 1);
  ASSERT_TRUE(CloseAndWait(*log_).ok());
  for (const char* name : {"creating_7", "dropping_8"}) {
    const std::string directory = std::string("/data/default/") + name;
    ASSERT_TRUE(disk_.CreateDirectory(directory).ok());
    ASSERT_TRUE(disk_.CreateFile(directory + "/seg_0").ok());
  }
  OpenEngine();
  EXPECT_EQ(*engine_->ListRegions(), std::vector<RegionId>{1});
  EXPECT_FALSE(disk_.Exists("/data/default/creating_7/seg_0"));
}

}  // namespace
}  // namespace walden
