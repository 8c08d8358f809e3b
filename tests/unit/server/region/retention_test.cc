// Retention through registry and actors, on the real engines over files in memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/error.h"
#include "engine/segment/segment_engine.h"
#include "server/region/retention_keeper.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/rocksdb_on_files.h"
#include "tests/unit/server/region/jobs.h"
#include "tests/unit/server/region/manual_executor.h"

namespace walden {
namespace {

using testing::FaultFileSystem;
using ::testing::IsEmpty;

constexpr RegionKey kRegion{1, 7};
constexpr uint64_t kMiB = uint64_t{1} << 20;

class ManualWallClock final : public WallClock {
 public:
  int64_t UnixMillis() const override { return absl::ToUnixMillis(now); }
  absl::Time now = absl::FromUnixSeconds(1'700'000'000);
};

class RecordingEvents final : public RegionEvents {
 public:
  void OnRetained(const RegionKey&, const RetentionPlan& plan,
                  const absl::Status& status) override {
    plans.push_back(plan);
    statuses.push_back(status);
  }
  std::vector<RetentionPlan> plans;
  std::vector<absl::Status> statuses;
};

class RetentionTest : public ::testing::Test {
 protected:
  RetentionTest() {
    EXPECT_TRUE(disk_.CreateDirectory("/d").ok());
    disk_.SetTime(wall_clock_.now);
  }
  ~RetentionTest() override {
    registry_->CloseAll([](const absl::Status& status) { EXPECT_TRUE(status.ok()) << status; });
    executor_.RunAll();
  }

  void UseSegments() {
    auto engine = SegmentEngine::Open({.file_system = &disk_,
                                       .clock = &clock_,
                                       .wall_clock = &wall_clock_,
                                       .data_directory = "/d",
                                       .namespace_name = "data",
                                       .spare_segments = 0});
    ASSERT_TRUE(engine.ok()) << engine.status();
    Use(*std::move(engine));
  }

  void UseRocksdb() {
    auto engine = testing::OpenRocksdbOnFiles(&disk_, "/d/data");
    ASSERT_TRUE(engine.ok()) << engine.status();
    Use(*std::move(engine));
  }

  void Use(std::unique_ptr<LogEngine> engine) {
    auto ns = std::make_unique<Namespace>();
    ns->id = 1;
    ns->name = "data";
    ns->engine = std::move(engine);
    ns->regions.engine.segment_size_bytes = kMiB;
    NamespaceSet namespaces;
    namespaces.Add(std::move(ns));
    registry_ = std::make_unique<RegionRegistry>(
        RegistryOptions{}, std::move(namespaces),
        RegistryEnvironment{&clock_, &executor_, &executor_, &statistics_, &events_});
    keeper_ = std::make_unique<RetentionKeeper>(
        RetentionKeeper::Environment{registry_.get(), &clock_, &wall_clock_, &executor_,
                                     &statistics_, &events_},
        absl::Seconds(30));
  }

  void Keep(const RetentionLimits& limits) { keeper_->policies().Set(1, {.regions = limits}); }

  // About a quarter of a segment each; returns the number.
  SequenceNumber Append(TableId table = 1, TableKind kind = TableKind::kLog,
                        Durability durability = Durability::kSync) {
    TestAppend job({std::string(250'000, 'x')}, table);
    job.batch.kind = kind;
    job.batch.durability = durability;
    registry_->Submit(kRegion, &job);
    executor_.RunAll();
    EXPECT_TRUE(job.result().status.ok()) << job.result().status;
    return job.last();
  }
  void AppendMany(int count, TableId table = 1) {
    for (int i = 0; i < count; ++i) Append(table);
  }

  void Look() {
    keeper_->Look();
    executor_.RunAll();
  }

  void Pass(absl::Duration time) {
    clock_.Advance(time);
    wall_clock_.now += time;
    disk_.SetTime(wall_clock_.now);
  }

  TablePosition Position(TableId table = 1) {
    return registry_->OpenActors().at(0)->log().Position(table);
  }
  RegionDescription Describe() { return registry_->OpenActors().at(0)->log().Describe(); }

  FaultFileSystem disk_;
  ManualClock clock_;
  ManualWallClock wall_clock_;
  ManualExecutor executor_;
  struct Statistics statistics_;
  RecordingEvents events_;
  std::unique_ptr<RegionRegistry> registry_;
  std::unique_ptr<RetentionKeeper> keeper_;
};

TEST_F(RetentionTest, WithoutARetentionNothingIsEverDeleted) {
  UseSegments();
  AppendMany(20);
  Pass(absl::Hours(24 * 365));
  Look();
  EXPECT_EQ(Position().first, 1u);
  EXPECT_THAT(events_.plans, IsEmpty());
  EXPECT_EQ(statistics_.retention_rounds, 0u);
}

TEST_F(RetentionTest, SegmentsThatWereLastWrittenTooLongAgoGo) {
  UseSegments();
  AppendMany(4);  // a segment holds four
  Pass(absl::Hours(1));
  AppendMany(8);
  Keep({.age = absl::Hours(2)});
  Look();
  EXPECT_EQ(Position().first, 1u) << "younger than two hours";
  Pass(absl::Minutes(90));
  Look();
  EXPECT_EQ(Position().first, 5u);
  EXPECT_EQ(Position().deleted_through, 4u);
  EXPECT_EQ(Describe().segments.size(), 2u);
  ASSERT_EQ(events_.plans.size(), 1u);
  EXPECT_EQ(events_.plans[0].records, 4u);
  EXPECT_GE(events_.plans[0].bytes, 1'000'000u);
  EXPECT_EQ(statistics_.retention_rounds, 1u);
  EXPECT_EQ(statistics_.retention_records, 4u);
  Look();
  EXPECT_EQ(events_.plans.size(), 1u) << "nothing more is due";
}

TEST_F(RetentionTest, TheNewestSegmentStaysHoweverOldItIs) {
  UseSegments();
  AppendMany(6);
  Pass(absl::Hours(1000));
  Keep({.age = absl::Hours(1)});
  Look();
  EXPECT_EQ(Position().first, 5u);
  EXPECT_EQ(Append(), 7u) << "numbers go on";
}

TEST_F(RetentionTest, AsManyBytesAsWereAskedForStay) {
  UseSegments();
  AppendMany(20);
  Keep({.bytes = 2'100'000});
  Look();
  const RegionDescription description = Describe();
  EXPECT_GE(description.live_bytes, 2'100'000u);
  EXPECT_LE(description.live_bytes, 2'100'000u + kMiB);
  EXPECT_EQ(Position().first, 9u);
}

TEST_F(RetentionTest, AsManyRecordsAsWereAskedForStay) {
  UseSegments();
  AppendMany(20);
  Keep({.records = 8});
  Look();
  EXPECT_EQ(Position().first, 13u);
  Keep({.records = 5});
  Look();
  EXPECT_EQ(Position().first, 13u) << "the segment with the fifth newest stays whole";
}

TEST_F(RetentionTest, NumbersThatACrashJumpedOverAreNoRecords) {
  UseSegments();
  AppendMany(11);
  Append(1, TableKind::kLog, Durability::kBuffered);
  disk_.Kill();
  keeper_ = nullptr;
  registry_ = nullptr;
  disk_.Restart();
  UseSegments();
  ASSERT_GT(Append(), 1'000'000u);  // the thirteenth
  Keep({.records = 8});
  Look();
  EXPECT_EQ(Position().first, 5u) << "the newest nine";
  AppendMany(4);
  Look();
  EXPECT_EQ(Position().first, 9u) << "the newest nine";
}

TEST_F(RetentionTest, EveryTableOfASegmentGoesWithIt) {
  UseSegments();
  Append(1);
  Append(2);
  Append(1);
  Append(2);
  AppendMany(8, 3);
  Keep({.records = 4});
  Look();
  EXPECT_EQ(Position(1).first, Position(1).next);
  EXPECT_EQ(Position(2).first, Position(2).next);
  EXPECT_EQ(Position(3).first, 9u);
  ASSERT_EQ(events_.plans.size(), 1u);
  EXPECT_EQ(events_.plans[0].marks.size(), 3u);
  EXPECT_EQ(events_.plans[0].records, 8u);
  EXPECT_EQ(Describe().segments.size(), 1u);
}

TEST_F(RetentionTest, WhatAFollowerMissesItSeesByThePosition) {
  UseSegments();
  AppendMany(12);
  Keep({.records = 4});
  Look();
  const TablePosition position = Position();
  EXPECT_EQ(position.deleted_through, 8u);
  EXPECT_EQ(position.first, 9u);
  EXPECT_EQ(position.next, 13u);
}

TEST_F(RetentionTest, WhatAClientDeletedIsNotCountedAgain) {
  UseSegments();
  AppendMany(12);
  TestMarkDeleted mark(1, 2);
  registry_->Submit(kRegion, &mark);
  executor_.RunAll();
  Keep({.records = 4});
  Look();
  ASSERT_EQ(events_.plans.size(), 1u);
  EXPECT_EQ(events_.plans[0].records, 6u);
}

TEST_F(RetentionTest, ARegionSetApartHasARetentionOfItsOwn) {
  UseSegments();
  AppendMany(12);
  keeper_->policies().Set(1, {.regions = {.records = 4}, .overrides = {{kRegion.region, {}}}});
  Look();
  EXPECT_EQ(Position().first, 1u);
}

TEST_F(RetentionTest, ItLooksOnlyWhenTheIntervalHasPassed) {
  UseSegments();
  AppendMany(12);
  Keep({.records = 4});
  keeper_->LookIfDue();
  executor_.RunAll();
  EXPECT_EQ(Position().first, 1u);
  Pass(absl::Seconds(31));
  keeper_->LookIfDue();
  executor_.RunAll();
  EXPECT_EQ(Position().first, 9u);
}

TEST_F(RetentionTest, AFileThatIsGoneIsPassedOver) {
  UseSegments();
  AppendMany(12);
  Pass(absl::Hours(2));
  Keep({.age = absl::Hours(1)});
  // How old its records are is known without it.
  ASSERT_TRUE(disk_.RemoveFile("/d/data/7/seg_0").ok());
  Look();
  EXPECT_EQ(Position().first, 9u);
  ASSERT_EQ(events_.statuses.size(), 1u);
  EXPECT_TRUE(events_.statuses[0].ok());
}

TEST_F(RetentionTest, DeletedRecordsStayDeletedAfterACrash) {
  UseSegments();
  AppendMany(12);
  Keep({.records = 4});
  Look();
  keeper_ = nullptr;
  registry_ = nullptr;  // as in a crash
  disk_.PowerCut();
  disk_.Restart();
  UseSegments();
  EXPECT_EQ(Append(), 13u);
  EXPECT_EQ(Position().first, 9u);
}

TEST_F(RetentionTest, OnRocksdbTheNewestRecordsOfEachTableStay) {
  UseRocksdb();
  AppendMany(10, 1);
  AppendMany(3, 2);
  Keep({.records = 4});
  Look();
  EXPECT_EQ(Position(1).first, 7u);
  EXPECT_EQ(Position(1).next, 11u);
  EXPECT_EQ(Position(2).first, 1u);
  ASSERT_EQ(events_.plans.size(), 1u);
  EXPECT_EQ(events_.plans[0].records, 6u);
  EXPECT_EQ(Append(1), 11u);
}

TEST_F(RetentionTest, OnRocksdbWithoutARetentionNothingIsDeleted) {
  UseRocksdb();
  AppendMany(10);
  Look();
  EXPECT_EQ(Position().first, 1u);
}

TEST_F(RetentionTest, WhatRocksdbCannotJudgeIsRefusedAndTold) {
  UseRocksdb();
  AppendMany(3);
  Keep({.bytes = 100});
  Look();
  ASSERT_EQ(events_.statuses.size(), 1u);
  EXPECT_TRUE(HasReason(events_.statuses[0], ErrorReason::kInvalidField)) << events_.statuses[0];
  EXPECT_EQ(statistics_.retention_failures, 1u);
  EXPECT_EQ(Position().first, 1u);
}

}  // namespace
}  // namespace walden
