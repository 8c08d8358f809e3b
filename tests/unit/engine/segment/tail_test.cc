// Files of a region that lost something, were swapped, or were cut: what was durable is there or
// reported missing.
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/error.h"
#include "engine/segment/format.h"
#include "engine/segment/segment_engine.h"
#include "engine/wait.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/log_verbs.h"

namespace walden {
namespace {

using testing::Batch;
using testing::CommitOne;
using testing::FaultFileSystem;
using ::testing::HasSubstr;

class SettableWallClock final : public WallClock {
 public:
  int64_t UnixMillis() const override { return absl::ToUnixMillis(now); }
  absl::Time now = absl::FromUnixSeconds(1'700'000'000);
};

constexpr char kSegment0[] = "/data/default/1/seg_0";
constexpr char kMetadata[] = "/data/default/1/metadata";

class SegmentTailTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(disk_.CreateDirectory("/data").ok());
    ASSERT_TRUE(disk_.SyncDirectory("/").ok());
    OpenEngine();
  }

  absl::Status TryOpenEngine(NamespaceId id = 1) {
    log_.reset();
    engine_.reset();
    auto engine = SegmentEngine::Open({.file_system = &disk_,
                                       .clock = Clock::Real(),
                                       .wall_clock = &wall_,
                                       .data_directory = "/data",
                                       .namespace_name = "default",
                                       .namespace_id = id});
    if (engine.ok()) engine_ = *std::move(engine);
    return engine.status();
  }
  void OpenEngine() {
    const absl::Status status = TryOpenEngine();
    ASSERT_TRUE(status.ok()) << status;
  }

  absl::Status Open(RegionId region = 1) {
    log_.reset();
    auto log = OpenRegionAndWait(*engine_, region,
                                 {.recovery_policy = policy_, .segment_size_bytes = segment_bytes_},
                                 /*create=*/true);
    if (log.ok()) log_ = *std::move(log);
    return log.status();
  }
  void MustOpen(RegionId region = 1) {
    const absl::Status status = Open(region);
    ASSERT_TRUE(status.ok()) << status;
  }

  testing::BatchResult Append(const Batch& batch) {
    const testing::BatchResult result = CommitOne(*log_, batch);
    EXPECT_TRUE(result.status.ok()) << result.status;
    return result;
  }
  void AppendMany(int count, size_t bytes = 1000) {
    for (int i = 0; i < count; ++i) Append({.payloads = {std::string(bytes, 'x')}});
  }
  void Kill() {
    disk_.Kill();
    log_.reset();
    engine_.reset();
    disk_.Restart();
    OpenEngine();
  }
  void PowerCut(testing::PowerLoss loss) {
    disk_.PowerCut(loss);
    log_.reset();
    engine_.reset();
    disk_.Restart();
    OpenEngine();
  }
  void Zero(const std::string& path, uint64_t begin, uint64_t end) {
    auto file = disk_.OpenFile(path, FileSystem::OpenMode::kReadWrite);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->Write(begin, {std::string(end - begin, '\0')}).ok());
    ASSERT_TRUE((*file)->SyncData().ok());
  }
  void Put(const std::string& path, const std::string& bytes) {
    (void)disk_.RemoveFile(path);
    auto file = disk_.CreateFile(path);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->Write(0, {bytes}).ok());
    ASSERT_TRUE((*file)->SyncData().ok());
  }
  size_t Used(const std::string& path) { return disk_.ReadWhole(path).find_last_not_of('\0') + 1; }

  FaultFileSystem disk_;
  SettableWallClock wall_;
  RecoveryPolicy policy_ = RecoveryPolicy::kRefuse;
  uint64_t segment_bytes_ = 64 << 10;
  std::unique_ptr<SegmentEngine> engine_;
  std::unique_ptr<RegionLog> log_;
};

// Longer than what version 1 looked at behind the last record.
TEST_F(SegmentTailTest, AHoleOfEightMebibytesIsDamageAndNotTheEnd) {
  segment_bytes_ = uint64_t{64} << 20;
  MustOpen();
  AppendMany(480, 32 << 10);
  Kill();
  const uint64_t begin = 512 + 160 * uint64_t{33} * 1024;
  Zero(kSegment0, begin, begin + (uint64_t{9} << 20));
  const absl::Status refused = Open();
  EXPECT_TRUE(absl::IsDataLoss(refused)) << refused;
  policy_ = RecoveryPolicy::kQuarantine;
  MustOpen();
  EXPECT_GT(Append({.payloads = {"new"}}).first, 480u) << "a number came back";
}

TEST_F(SegmentTailTest, WhatAnIdleLogNotedIsNeverTakenForATornTail) {
  MustOpen();
  Append({.payloads = {std::string(2000, '\0') + "<behind zeros>"}});
  EXPECT_TRUE(log_->HasUnnoted());
  ASSERT_TRUE(NoteDurableAndWait(*log_).ok());
  EXPECT_FALSE(log_->HasUnnoted());
  const uint64_t changes = disk_.changes();
  ASSERT_TRUE(NoteDurableAndWait(*log_).ok());
  EXPECT_EQ(disk_.changes(), changes) << "there was nothing to note";
  Kill();
  disk_.FlipBit(kSegment0, disk_.ReadWhole(kSegment0).find("<behind"), 1);
  EXPECT_TRUE(absl::IsDataLoss(Open()));
}

TEST_F(SegmentTailTest, BufferedRecordsAreNotNotedBeforeTheyAreDurable) {
  MustOpen();
  Append({.payloads = {"a"}, .durability = Durability::kBuffered});
  EXPECT_FALSE(log_->HasUnnoted());
  ASSERT_TRUE(NoteDurableAndWait(*log_).ok());
  PowerCut(testing::PowerLoss::kNothing);
  MustOpen();
  EXPECT_EQ(testing::ReadTable(*log_, 1)->size(), 0u);
}

TEST_F(SegmentTailTest, WhatIsSaidAboutTheNextNumberIsWhatTheNextAppendGets) {
  MustOpen();
  AppendMany(5);
  SequenceNumber told = 0;
  for (int i = 0; i < 3; ++i) {
    told = Append({.payloads = {"b"}, .durability = Durability::kBuffered}).last;
  }
  PowerCut(testing::PowerLoss::kNothing);
  for (const bool again : {false, true}) {
    MustOpen();
    for (const TableId table : {1, 2}) {
      const SequenceNumber next = log_->Position(table).next;
      EXPECT_GT(next, told);
      Batch batch{.table = table, .payloads = {"c"}, .expected_next_sequence = told};
      EXPECT_TRUE(HasReason(CommitOne(*log_, batch).status, ErrorReason::kSequenceMismatch));
    }
    if (again) break;
    ASSERT_TRUE(CloseAndWait(*log_).ok());  // and it stays so
  }
  for (const TableId table : {1, 2}) {
    const SequenceNumber next = log_->Position(table).next;
    const testing::BatchResult result =
        CommitOne(*log_, {.table = table, .payloads = {"c"}, .expected_next_sequence = next});
    ASSERT_TRUE(result.status.ok()) << result.status;
    EXPECT_GE(result.first, next);
  }
}

TEST_F(SegmentTailTest, ARegionWithoutRecordsStaysFenced) {
  MustOpen();
  ASSERT_TRUE(MarkTableAndWait(*log_, 1, 10, 7).ok());
  Kill();
  MustOpen();
  const testing::BatchResult zombie = CommitOne(*log_, {.payloads = {"a"}, .region_version = 6});
  EXPECT_TRUE(HasReason(zombie.status, ErrorReason::kFenced)) << zombie.status;
}

TEST_F(SegmentTailTest, ANamespaceWithAnotherIdIsRefusedAndLeftAlone) {
  MustOpen();
  AppendMany(3);
  ASSERT_TRUE(CloseAndWait(*log_).ok());
  const uint64_t changes = disk_.changes();
  const absl::Status status = TryOpenEngine(/*id=*/2);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_TRUE(HasReason(status, ErrorReason::kWrongNamespace)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("default (id 1)"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("default (id 2)"));
  EXPECT_EQ(std::string(status.message()).find("namespace "),
            std::string(status.message()).find("namespace default (id"))
      << "the caller names the namespace: " << status;
  EXPECT_LE(disk_.changes(), changes + 3) << "it may look and lock";
  OpenEngine();
  MustOpen();
  EXPECT_EQ(testing::ReadTable(*log_, 1)->size(), 3u);
}

TEST_F(SegmentTailTest, ANewestSegmentThatIsCutIsDamage) {
  MustOpen();
  AppendMany(10);
  Kill();
  const uint64_t size = disk_.ReadWhole(kSegment0).size();
  disk_.ShrinkSize(kSegment0, size - 6000);
  const absl::Status refused = Open();
  EXPECT_TRUE(absl::IsDataLoss(refused)) << refused;
  EXPECT_EQ(disk_.ReadWhole(kSegment0).size(), 6000u) << "it is left as it is";
  policy_ = RecoveryPolicy::kQuarantine;
  MustOpen();
  EXPECT_GT(Append({.payloads = {"new"}}).first, 10u) << "a number came back";
  EXPECT_EQ(disk_.ReadWhole(kSegment0).size(), 6000u);
  MustOpen();
  EXPECT_EQ(log_->Describe().segments.size(), 2u);
}

TEST_F(SegmentTailTest, AnotherRegionsSegmentIsDamage) {
  MustOpen(2);
  AppendMany(3);
  ASSERT_TRUE(CloseAndWait(*log_).ok());
  MustOpen(1);
  AppendMany(5);
  Kill();
  Put(kSegment0, disk_.ReadWhole("/data/default/2/seg_0"));
  const absl::Status refused = Open();
  EXPECT_TRUE(absl::IsDataLoss(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("region 2, it should be 1"));
}

TEST_F(SegmentTailTest, AnotherRegionsMetadataIsDamage) {
  MustOpen(2);
  ASSERT_TRUE(CloseAndWait(*log_).ok());
  MustOpen(1);
  AppendMany(5);
  ASSERT_TRUE(CloseAndWait(*log_).ok());
  Put(kMetadata, disk_.ReadWhole("/data/default/2/metadata"));
  const absl::Status refused = Open();
  EXPECT_TRUE(absl::IsDataLoss(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("is of region 2, not of region 1"));
}

TEST_F(SegmentTailTest, MetadataThatLostItsLastEntriesIsFoundByTheNextGroup) {
  MustOpen();
  AppendMany(5);
  const size_t before = Used(kMetadata);
  ASSERT_TRUE(MarkTableAndWait(*log_, 1, 3, std::nullopt).ok());
  const size_t after = Used(kMetadata);
  ASSERT_GT(after, before);
  AppendMany(1);
  Kill();
  Zero(kMetadata, before, after);
  const absl::Status refused = Open();
  EXPECT_TRUE(absl::IsDataLoss(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("metadata"));
}

// Either file of a closed log: as it was when the log was closed before.
TEST_F(SegmentTailTest, AnOlderCopyOfOneFileOfAClosedLogIsFound) {
  MustOpen();
  AppendMany(5);
  ASSERT_TRUE(CloseAndWait(*log_).ok());
  const std::string metadata = disk_.ReadWhole(kMetadata);
  const std::string segment = disk_.ReadWhole(kSegment0);
  MustOpen();
  ASSERT_TRUE(MarkTableAndWait(*log_, 1, 3, std::nullopt).ok());
  ASSERT_TRUE(CloseAndWait(*log_).ok());
  const std::string newer_metadata = disk_.ReadWhole(kMetadata);
  const std::string newer_segment = disk_.ReadWhole(kSegment0);
  Put(kMetadata, metadata);
  EXPECT_TRUE(absl::IsDataLoss(Open()));
  Put(kMetadata, newer_metadata);
  Put(kSegment0, segment);
  EXPECT_TRUE(absl::IsDataLoss(Open()));
  Put(kSegment0, newer_segment);
  MustOpen();
  EXPECT_EQ(log_->Position(1).deleted_through, 3u);
}

TEST_F(SegmentTailTest, OpeningAndClosingWithoutAChangeWritesNothingToTheLog) {
  MustOpen();
  AppendMany(5);
  ASSERT_TRUE(CloseAndWait(*log_).ok());
  const std::string segment = disk_.ReadWhole(kSegment0);
  const size_t metadata = Used(kMetadata);
  for (int i = 0; i < 3; ++i) {
    MustOpen();
    ASSERT_TRUE(CloseAndWait(*log_).ok());
  }
  EXPECT_EQ(disk_.ReadWhole(kSegment0), segment);
  EXPECT_EQ(Used(kMetadata), metadata);
}

// The metadata's watermark moves along, so that a crash looks no further than it says.
TEST_F(SegmentTailTest, NothingIsWrittenFartherBehindTheWatermarkThanItSays) {
  segment_bytes_ = uint64_t{64} << 20;
  MustOpen();
  AppendMany(30, 1 << 20);
  Append({.payloads = {std::string(20 << 20, 'y')}});
  Kill();
  MustOpen();
  EXPECT_EQ(testing::ReadTable(*log_, 1)->size(), 31u);
  EXPECT_EQ(log_->Describe().opening.outcome, OpeningReport::Outcome::kClean);
}

// File times say nothing: a copy has others.
TEST_F(SegmentTailTest, RetentionByAgeGoesByWhenRecordsWereWritten) {
  segment_bytes_ = 8 << 10;
  disk_.SetTime(absl::UnixEpoch());
  MustOpen();
  AppendMany(20);
  const RetentionLimits day{.age = absl::Hours(24)};
  EXPECT_TRUE(log_->PlanRetention(day, wall_.now + absl::Hours(23))->marks.empty());
  ASSERT_TRUE(CloseAndWait(*log_).ok());
  MustOpen();
  EXPECT_TRUE(log_->PlanRetention(day, wall_.now + absl::Hours(23))->marks.empty());
  EXPECT_EQ(log_->PlanRetention(day, wall_.now + absl::Hours(25))->marks.size(), 1u);
}

TEST_F(SegmentTailTest, AppendTimesDoNotGoBackWithTheClock) {
  segment_bytes_ = 8 << 10;
  MustOpen();
  AppendMany(4);
  const absl::Time right = wall_.now;
  wall_.now = absl::UnixEpoch();
  AppendMany(20);
  const RetentionLimits day{.age = absl::Hours(24)};
  EXPECT_TRUE(log_->PlanRetention(day, right + absl::Hours(23))->marks.empty());
  ASSERT_TRUE(CloseAndWait(*log_).ok());
  MustOpen();
  EXPECT_TRUE(log_->PlanRetention(day, right + absl::Hours(23))->marks.empty());
}

}  // namespace
}  // namespace walden
