// The disk's reserve and quotas, alone and under the segment engine.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "engine/io/disk_quota.h"
#include "engine/io/disk_space.h"
#include "engine/segment/segment_engine.h"
#include "engine/wait.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/log_verbs.h"

namespace walden::testing {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

class DiskBoundsTest : public ::testing::Test {
 protected:
  DiskBoundsTest() {
    EXPECT_TRUE(disk_.CreateDirectory("/d").ok());
    disk_.SetCapacity(64 * kMiB);
  }

  // So many bytes are free afterwards.
  void LeaveFree(uint64_t bytes) {
    (void)disk_.RemoveFile("/d/ballast");
    const uint64_t free = *disk_.FreeBytes("/d");
    auto file = disk_.CreateFile("/d/ballast");
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->Allocate(free - bytes).ok());
  }

  void Open(DiskSpace* space = nullptr) {
    engine_ = nullptr;
    auto engine = SegmentEngine::Open({.file_system = &disk_,
                                       .clock = Clock::Real(),
                                       .data_directory = "/d",
                                       .namespace_name = "data",
                                       .spare_segments = 0,
                                       .disk = space,
                                       .quotas = &quotas_});
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
  }

  absl::StatusOr<std::unique_ptr<RegionLog>> TryOpenRegion(RegionId region) {
    return OpenRegionAndWait(*engine_, region, {.segment_size_bytes = kMiB}, /*create=*/true);
  }

  std::unique_ptr<RegionLog> OpenRegion(RegionId region) {
    auto log = TryOpenRegion(region);
    EXPECT_TRUE(log.ok()) << log.status();
    return *std::move(log);
  }

  static AppendResult AppendTo(RegionLog& log) {
    static const std::string payload(200'000, 'x');
    AppendBatch batch;
    batch.tables = {{.table = 1, .payloads = {payload}}};
    AppendBatch* const group[] = {&batch};
    CommitAndWait(log, group);
    return batch.result;
  }

  // Appends until one is refused, and returns why.
  static absl::Status Fill(RegionLog& log) {
    for (int i = 0; i < 1000; ++i) {
      const AppendResult result = AppendTo(log);
      if (!result.status.ok()) return result.status;
    }
    return absl::OkStatus();
  }

  FaultFileSystem disk_;
  DiskQuotas quotas_{"data"};
  std::unique_ptr<LogEngine> engine_;
};

TEST_F(DiskBoundsTest, AppendsStopBelowTheReserveAndResumeALittleAboveIt) {
  DiskSpace space(&disk_, "/d", 16 * kMiB);
  EXPECT_TRUE(space.CheckAppends().ok());
  LeaveFree(16 * kMiB);
  ASSERT_TRUE(space.Sample().ok());
  EXPECT_TRUE(space.CheckAppends().ok());
  LeaveFree(16 * kMiB - 1);
  ASSERT_TRUE(space.Sample().ok());
  const absl::Status refused = space.CheckAppends();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(HasReason(refused, ErrorReason::kDiskReserve));
  EXPECT_EQ(GetErrorInfo(refused)->metadata["limit"], std::to_string(16 * kMiB));
  LeaveFree(16 * kMiB + 1);
  ASSERT_TRUE(space.Sample().ok());
  EXPECT_FALSE(space.CheckAppends().ok()) << "with every small file they would come and go";
  LeaveFree(17 * kMiB);
  ASSERT_TRUE(space.Sample().ok());
  EXPECT_TRUE(space.CheckAppends().ok());
}

TEST_F(DiskBoundsTest, AReserveOfNothingRefusesNothing) {
  DiskSpace space(&disk_, "/d", 0);
  LeaveFree(0);
  ASSERT_TRUE(space.Sample().ok());
  EXPECT_TRUE(space.CheckAppends().ok());
  EXPECT_TRUE(space.CheckAllocation("/d", kMiB).ok()) << "the allocation itself will say so";
}

TEST_F(DiskBoundsTest, ADiskThatCannotBeLookedAtKeepsWhatWasKnown) {
  DiskSpace space(&disk_, "/d", 16 * kMiB);
  LeaveFree(kMiB);
  ASSERT_TRUE(space.Sample().ok());
  DiskSpace nowhere(&disk_, "/gone", 16 * kMiB);
  EXPECT_FALSE(nowhere.Sample().ok());
  EXPECT_TRUE(nowhere.CheckAppends().ok());
  EXPECT_FALSE(space.CheckAppends().ok());
}

TEST_F(DiskBoundsTest, ASegmentThatWouldTakeFromTheReserveIsNotMade) {
  DiskSpace space(&disk_, "/d", 16 * kMiB);
  Open(&space);
  auto log = OpenRegion(1);
  ASSERT_TRUE(AppendTo(*log).status.ok());
  LeaveFree(16 * kMiB + kMiB / 2);
  EXPECT_TRUE(HasReason(Fill(*log), ErrorReason::kDiskReserve));
  EXPECT_GE(*disk_.FreeBytes("/d"), 16 * kMiB);
  EXPECT_TRUE(log->Health().ok());
  EXPECT_TRUE(HasReason(TryOpenRegion(2).status(), ErrorReason::kDiskReserve));
  EXPECT_EQ(engine_->ListRegions()->size(), 1u);
  LeaveFree(20 * kMiB);
  EXPECT_TRUE(AppendTo(*log).status.ok());
}

TEST_F(DiskBoundsTest, ARegionStopsAtItsQuotaAndGoesOnWhenSegmentsWereFreed) {
  quotas_.SetLimits({.regions = {{1, 4 * kMiB}}});
  Open();
  auto log = OpenRegion(1);
  const absl::Status refused = Fill(*log);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  ASSERT_TRUE(HasReason(refused, ErrorReason::kQuotaExceeded));
  auto metadata = GetErrorInfo(refused)->metadata;
  EXPECT_EQ(metadata["quota"], "region 1 of namespace data");
  EXPECT_EQ(metadata["value"], std::to_string(4 * kMiB));
  EXPECT_EQ(metadata["limit"], std::to_string(4 * kMiB));
  EXPECT_EQ(log->Describe().allocated_bytes, 4 * kMiB);

  auto other = OpenRegion(2);
  EXPECT_TRUE(AppendTo(*other).status.ok()) << "another region has no quota";

  ASSERT_TRUE(MarkTableAndWait(*log, 1, 5, std::nullopt).ok());
  EXPECT_TRUE(AppendTo(*log).status.ok());
}

TEST_F(DiskBoundsTest, ANamespaceStopsAtItsQuotaOverAllItsRegions) {
  quotas_.SetLimits({.whole = 6 * kMiB});
  Open();
  auto first = OpenRegion(1);
  auto second = OpenRegion(2);
  ASSERT_TRUE(HasReason(Fill(*first), ErrorReason::kQuotaExceeded));
  EXPECT_EQ(quotas_.whole().used(), 6 * kMiB);
  const absl::Status refused = Fill(*second);
  EXPECT_EQ(GetErrorInfo(refused)->metadata["quota"], "namespace data");
  EXPECT_TRUE(HasReason(TryOpenRegion(3).status(), ErrorReason::kQuotaExceeded));
  first = nullptr;
  ASSERT_TRUE(*DropRegionAndWait(*engine_, 1));
  EXPECT_EQ(quotas_.whole().used(), kMiB);
  EXPECT_TRUE(AppendTo(*second).status.ok());
}

TEST_F(DiskBoundsTest, WhatIsOnTheDiskCountsAgainstTheQuotaAfterARestart) {
  quotas_.SetLimits({.regions = {{1, 4 * kMiB}}});
  Open();
  auto log = OpenRegion(1);
  ASSERT_FALSE(Fill(*log).ok());
  ASSERT_TRUE(CloseAndWait(*log).ok());
  log = nullptr;
  quotas_.OfRegion(1).SetUsed(0);
  Open();
  EXPECT_EQ(quotas_.whole().used(), 4 * kMiB) << "before any region is opened";
  log = OpenRegion(1);
  EXPECT_EQ(quotas_.whole().used(), 4 * kMiB);
  EXPECT_TRUE(HasReason(Fill(*log), ErrorReason::kQuotaExceeded));
}

TEST_F(DiskBoundsTest, ASegmentThatCouldNotBeMadeCountsInNoQuota) {
  Open();
  auto log = OpenRegion(1);
  LeaveFree(kMiB / 2);
  ASSERT_TRUE(HasReason(Fill(*log), ErrorReason::kDiskFull));
  EXPECT_EQ(quotas_.OfRegion(1).used(), kMiB);
  EXPECT_EQ(quotas_.whole().used(), kMiB);
}

TEST_F(DiskBoundsTest, ARaisedQuotaHoldsAtOnce) {
  quotas_.SetLimits({.region = 2 * kMiB});
  Open();
  auto log = OpenRegion(1);
  ASSERT_TRUE(HasReason(Fill(*log), ErrorReason::kQuotaExceeded));
  quotas_.SetLimits({.region = 3 * kMiB});
  EXPECT_TRUE(AppendTo(*log).status.ok());
}

}  // namespace
}  // namespace walden::testing
