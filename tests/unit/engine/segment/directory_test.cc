// Directories of the segment engine: names that are durable or not, leftovers, what one may not
// write.
#include "engine/wait.h"
#include "tests/unit/engine/segment/engine_fixture.h"

namespace walden::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class DirectoryNamesTest : public SegmentEngineTest {
 protected:
  void FailDirectorySync(uint64_t nth) {
    disk_.Inject({.operations = file_op::kSyncDirectory,
                  .nth = nth,
                  .error_number = EMFILE,
                  .path_part = "/data/ns"});
  }
  void CutPower() {
    log_ = nullptr;
    disk_.PowerCut(PowerLoss::kNothing);
    disk_.ClearFaults();
    disk_.Restart();
  }
};

TEST_F(DirectoryNamesTest, ARegionOfADirectoryThatIsGoneIsNoRegionThatNeverWas) {
  OpenEngine();
  OpenRegion();
  Append(1, 100);
  ASSERT_TRUE(CloseAndWait(*log_).ok());
  log_ = nullptr;
  const std::string directory = "/data/ns";
  ASSERT_TRUE(disk_.Rename(directory, "/data/elsewhere").ok());
  for (const bool is_empty : {false, true}) {
    if (is_empty) {
      ASSERT_TRUE(disk_.CreateDirectory(directory).ok());
    }
    for (const bool create : {false, true}) {
      const absl::Status refused = TryOpenRegion(kRegion, create);
      EXPECT_TRUE(absl::IsDataLoss(refused)) << is_empty << create << refused;
    }
    EXPECT_TRUE(absl::IsDataLoss(DropRegionAndWait(*engine_, kRegion).status())) << is_empty;
  }
  ASSERT_TRUE(disk_.RemoveDirectory(directory).ok());
  ASSERT_TRUE(disk_.Rename("/data/elsewhere", directory).ok());
  ASSERT_TRUE(TryOpenRegion(kRegion, /*create=*/false).ok());
  EXPECT_EQ(ReadTable(*log_, 1)->size(), 1u);
}

TEST_F(DirectoryNamesTest, ARegionWhoseDirectoryWasTakenAwayIsDamageUntilItIsBackOrDropped) {
  OpenEngine();
  OpenRegion();
  Append(1, 100);
  for (const bool restarted : {false, true}) {
    if (restarted) OpenEngine();
    log_ = nullptr;
    const std::string directory = absl::StrCat("/data/ns/", kRegion);
    ASSERT_TRUE(disk_.Rename(directory, "/data/elsewhere").ok());
    for (const bool create : {false, true}) {
      const absl::Status refused = TryOpenRegion(kRegion, create);
      EXPECT_TRUE(absl::IsDataLoss(refused)) << create << refused;
    }
    EXPECT_THAT(*engine_->ListRegions(), ElementsAre(kRegion));
    ASSERT_TRUE(disk_.Rename("/data/elsewhere", directory).ok());
    ASSERT_TRUE(TryOpenRegion(kRegion, /*create=*/false).ok());
    EXPECT_EQ(ReadTable(*log_, 1)->size(), 1u);
  }
  log_ = nullptr;
  ASSERT_TRUE(disk_.Rename(absl::StrCat("/data/ns/", kRegion), "/data/elsewhere").ok());
  EXPECT_TRUE(*DropRegionAndWait(*engine_, kRegion));
  EXPECT_FALSE(*DropRegionAndWait(*engine_, kRegion));
  EXPECT_THAT(*engine_->ListRegions(), IsEmpty());
}

// Each of the directory syncs of a creation fails once. Somebody tries again, and appends.
TEST_F(DirectoryNamesTest, ARegionThatIsAcknowledgedSurvivesAPowerCutWhateverSyncFailedBefore) {
  for (uint64_t nth = 1; nth <= 6; ++nth) {
    SCOPED_TRACE(nth);
    OpenEngine();
    const RegionId region = 100 + nth;
    FailDirectorySync(nth);
    absl::Status opened = TryOpenRegion(region);
    for (int attempt = 0; !opened.ok() && attempt < 3; ++attempt) opened = TryOpenRegion(region);
    ASSERT_TRUE(opened.ok()) << opened;
    const BatchResult result = Append(1, 100);
    ASSERT_TRUE(result.status.ok()) << result.status;
    ASSERT_TRUE(result.durable);
    CutPower();
    OpenEngine();
    ASSERT_TRUE(TryOpenRegion(region, /*create=*/false).ok()) << "the region is gone";
    EXPECT_EQ(ReadTable(*log_, 1)->size(), 1u);
  }
}

TEST_F(DirectoryNamesTest, ARegionThatIsSaidToBeGoneStaysGoneWhateverSyncFailedBefore) {
  for (uint64_t nth = 1; nth <= 3; ++nth) {
    SCOPED_TRACE(nth);
    OpenEngine();
    OpenRegion();
    log_ = nullptr;
    FailDirectorySync(nth);
    absl::StatusOr<bool> dropped = DropRegionAndWait(*engine_, kRegion);
    for (int attempt = 0; !dropped.ok() && attempt < 3; ++attempt) {
      dropped = DropRegionAndWait(*engine_, kRegion);
    }
    ASSERT_TRUE(dropped.ok()) << dropped.status();
    CutPower();
    OpenEngine();
    EXPECT_THAT(*engine_->ListRegions(), IsEmpty()) << "the region is back";
  }
}

TEST_F(DirectoryNamesTest, ASegmentThatIsAcknowledgedSurvivesAPowerCutWhateverSyncFailedBefore) {
  for (uint64_t nth = 1; nth <= 3; ++nth) {
    SCOPED_TRACE(nth);
    OpenEngine();
    OpenRegion();
    FailDirectorySync(nth);
    uint64_t stored = ReadTable(*log_, 1)->size();
    for (int i = 0; i < 12; ++i) stored += Append(1, 60'000).status.ok() ? 1 : 0;
    CutPower();
    OpenEngine();
    OpenRegion();
    EXPECT_EQ(ReadTable(*log_, 1)->size(), stored);
  }
}

class LeftoversTest : public SegmentEngineTest {
 protected:
  // As an immutable file.
  void Pin(const std::string& path_part) {
    disk_.Inject({.operations = file_op::kRemove,
                  .times = Fault::kForever,
                  .error_number = EPERM,
                  .path_part = path_part});
  }
};

TEST_F(LeftoversTest, ADroppedRegionWhoseFilesCannotBeRemovedIsReportedAndStopsNothing) {
  OpenEngine();
  OpenRegion();
  ASSERT_TRUE(Append(1, 100).status.ok());
  log_ = nullptr;
  Pin("ping_7/seg_0");
  ASSERT_TRUE(*DropRegionAndWait(*engine_, kRegion));
  EXPECT_THAT(problems_.texts, ElementsAre(HasSubstr("Operation not permitted")));
  EXPECT_THAT(*engine_->ListRegions(), IsEmpty());

  OpenRegion();
  EXPECT_THAT(*ReadTable(*log_, 1), IsEmpty());
  ASSERT_TRUE(Append(1, 100).status.ok());
  log_ = nullptr;
  ASSERT_TRUE(*DropRegionAndWait(*engine_, kRegion)) << "under another name than the first time";

  problems_.texts.clear();
  OpenEngine();
  EXPECT_THAT(problems_.texts, Contains(HasSubstr("dropping_7/seg_0")));
  OpenRegion();
  EXPECT_TRUE(Append(1, 100).status.ok());
  disk_.ClearFaults();
  OpenEngine();
  for (const std::string& path : disk_.FilesBelow("/data/ns")) {
    EXPECT_THAT(path, ::testing::Not(HasSubstr("dropping")));
  }
}

TEST_F(LeftoversTest, AnUnfinishedRegionThatCannotBeRemovedIsReportedAndStopsNothing) {
  OpenEngine();
  ASSERT_TRUE(disk_.CreateDirectory("/data/ns/creating_7").ok());
  ASSERT_TRUE(disk_.CreateFile("/data/ns/creating_7/seg_0").ok());
  Pin("creating_7/seg_0");
  OpenEngine();
  EXPECT_THAT(problems_.texts, ElementsAre(HasSubstr("creating_7/seg_0")));
  OpenRegion();
  EXPECT_TRUE(Append(1, 100).status.ok());
}

TEST_F(LeftoversTest, ADeletedSegmentThatCannotBeRemovedDoesNotKeepItsRegionFromOpening) {
  OpenEngine();
  OpenRegion();
  for (int i = 0; i < 12; ++i) ASSERT_TRUE(Append(1, 60'000).status.ok());
  Pin("/7/seg_0");
  EXPECT_EQ(*MarkTableAndWait(*log_, 1, 8, std::nullopt), 8u) << "the mark holds";
  Restart();
  EXPECT_THAT(problems_.texts, Contains(HasSubstr("/7/seg_0")));
  EXPECT_EQ(ReadTable(*log_, 1)->size(), 4u);
  EXPECT_TRUE(Append(1, 100).status.ok());
}

TEST_F(LeftoversTest, SparesThatCannotBeRemovedAreReportedAndOthersAreMade) {
  spares_ = 1;
  OpenEngine();
  background_.RunAll();
  Pin("/spare/");
  OpenEngine();
  background_.RunAll();
  EXPECT_EQ(engine_->Usage().spare_segments, 1u);
  EXPECT_THAT(problems_.texts, ElementsAre(HasSubstr("spare_0")));
  OpenRegion();
  EXPECT_TRUE(Append(1, 100).status.ok());
}

class NamespaceErrorTest : public SegmentEngineTest {};

TEST_F(NamespaceErrorTest, AnErrorOfTheDirectoryIsWhatCallsAnswerUntilItIsGone) {
  OpenEngine();
  OpenRegion();
  ASSERT_TRUE(Append(1, 100).status.ok());
  for (const FileOps operation : {file_op::kLock, file_op::kList, file_op::kSyncDirectory}) {
    SCOPED_TRACE(operation);
    log_ = nullptr;
    engine_ = nullptr;
    disk_.FailAll(operation, EACCES);
    OpenEngine();
    const absl::Status refused = TryOpenRegion();
    EXPECT_TRUE(absl::IsUnavailable(refused)) << refused;
    EXPECT_THAT(std::string(refused.message()), HasSubstr("Permission denied"));
    EXPECT_FALSE(engine_->ListRegions().ok());
    EXPECT_FALSE(DropRegionAndWait(*engine_, kRegion).ok());
    disk_.ClearFaults();
    OpenRegion();
    EXPECT_TRUE(Append(1, 100).status.ok());
  }
  EXPECT_EQ(ReadTable(*log_, 1)->size(), 4u);
}

TEST_F(NamespaceErrorTest, ADirectoryForSparesThatCannotBeMadeIsReportedAndStopsNothing) {
  spares_ = 1;
  disk_.Inject({.operations = file_op::kCreateDirectory | file_op::kCreate,
                .times = Fault::kForever,
                .error_number = EACCES,
                .path_part = "/spare"});
  OpenEngine();
  background_.RunAll();
  EXPECT_THAT(problems_.texts, ElementsAre(HasSubstr("Permission denied")));
  OpenRegion();
  for (int i = 0; i < 12; ++i) ASSERT_TRUE(Append(1, 60'000).status.ok());
}

class RoomTest : public SegmentEngineTest {};

TEST_F(RoomTest, ADiskThatTakesNoSegmentIsReportedAtTheStartWithItsNumbers) {
  ASSERT_TRUE(disk_.CreateDirectory("/data/ns").ok());
  disk_.Mount("/data/ns", /*total_bytes=*/1 << 20, /*free_bytes=*/300 << 10);
  space_ = std::make_unique<DiskSpace>(&disk_, "/data", 128 << 10);
  OpenEngine();
  EXPECT_THAT(problems_.texts,
              ElementsAre(::testing::AllOf(HasSubstr("307200"), HasSubstr("131072"),
                                           HasSubstr("262144"), HasSubstr("/data/ns"))));
  EXPECT_TRUE(HasReason(TryOpenRegion(), ErrorReason::kDiskReserve));
}

TEST_F(RoomTest, ARegionsOwnDiskIsTheOneWhoseRoomCounts) {
  OpenEngine();
  OpenRegion();
  disk_.Mount("/data/ns/7", /*total_bytes=*/64 << 20, /*free_bytes=*/300 << 10);
  space_ = std::make_unique<DiskSpace>(&disk_, "/data", 128 << 10);
  OpenEngine();
  EXPECT_THAT(problems_.texts, IsEmpty());
  OpenRegion();
  absl::Status refused;
  for (int i = 0; i < 12 && refused.ok(); ++i) refused = Append(1, 60'000).status;
  EXPECT_TRUE(HasReason(refused, ErrorReason::kDiskReserve)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("/data/ns/7"));
}

TEST_F(RoomTest, TheReserveThatNobodyChoseIsAtMostAQuarterOfTheDisk) {
  disk_.Mount("/data", /*total_bytes=*/64 << 20, /*free_bytes=*/32 << 20);
  DiskSpace space(&disk_, "/data", 256 << 20);
  EXPECT_FALSE(space.CheckAppends().ok()) << "as configured";
  space.set_at_most_a_quarter(true);
  ASSERT_TRUE(space.Sample().ok());
  EXPECT_EQ(space.reserve_bytes(), 16u << 20);
  EXPECT_TRUE(space.CheckAppends().ok());
  EXPECT_TRUE(space.CheckAllocation("/data", 16 << 20).ok());
  EXPECT_FALSE(space.CheckAllocation("/data", 17 << 20).ok());
}

}  // namespace
}  // namespace walden::testing
