// What the engines plan to delete, without an actor between.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "engine/segment/segment_engine.h"
#include "engine/wait.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/log_verbs.h"
#include "tests/support/rocksdb_on_files.h"
#include "tests/unit/server/region/manual_executor.h"

namespace walden {
namespace {

class RetentionPlanTest : public ::testing::Test {
 protected:
  RetentionPlanTest() { EXPECT_TRUE(disk_.CreateDirectory("/d").ok()); }

  LogEngine& Segments() {
    if (segments_ == nullptr) {
      auto engine = SegmentEngine::Open({.file_system = &disk_,
                                         .clock = &clock_,
                                         .data_directory = "/d",
                                         .namespace_name = "data",
                                         .spare_segments = 0});
      EXPECT_TRUE(engine.ok()) << engine.status();
      segments_ = *std::move(engine);
    }
    return *segments_;
  }

  // In segments of 64 KiB.
  std::unique_ptr<RegionLog> OpenSegments() {
    auto log = OpenRegionAndWait(Segments(), 9, {.segment_size_bytes = 64 << 10}, /*create=*/true);
    EXPECT_TRUE(log.ok()) << log.status();
    return *std::move(log);
  }

  // Deletes what is due, and returns what that was.
  RetentionPlan Retain(RegionLog& log, const RetentionLimits& limits) {
    auto plan = log.PlanRetention(limits, now_);
    EXPECT_TRUE(plan.ok()) << plan.status();
    for (const TableMark& mark : plan->marks) {
      const auto marked = MarkTableAndWait(log, mark.table, mark.through, std::nullopt);
      EXPECT_TRUE(marked.ok()) << marked.status();
    }
    return *plan;
  }

  // Table 1 holds entries, table 2 does not.
  RetentionPlan PlanBesideEntries(LogEngine& engine) {
    auto log = OpenRegionAndWait(engine, 9, {.segment_size_bytes = 1 << 20}, /*create=*/true);
    EXPECT_TRUE(log.ok()) << log.status();
    for (int i = 0; i < 12; ++i) {
      for (const TableId table : {1, 2}) {
        const testing::Batch batch{.table = table,
                                   .payloads = {std::string(200'000, 'x')},
                                   .kind = table == 1 ? TableKind::kEntries : TableKind::kLog};
        const testing::BatchResult result = testing::CommitOne(**log, batch);
        EXPECT_TRUE(result.status.ok()) << result.status;
      }
    }
    auto plan = (*log)->PlanRetention({.records = 4}, now_);
    EXPECT_TRUE(plan.ok()) << plan.status();
    return plan.ok() ? *plan : RetentionPlan{};
  }

  testing::FaultFileSystem disk_;
  ManualClock clock_;
  const absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  std::unique_ptr<LogEngine> segments_;
};

// Each is so small that one of every other table fits between two of one table.
TEST_F(RetentionPlanTest, AsManyBytesOfTablesThatTakeTurnsStay) {
  auto log = OpenSegments();
  for (int i = 0; i < 6000; ++i) {
    const testing::Batch batch{.table = 1 + TableId(i % 5), .payloads = {std::string(74, 'x')}};
    ASSERT_TRUE(testing::CommitOne(*log, batch).status.ok());
  }
  const uint64_t before = log->Describe().live_bytes;
  EXPECT_EQ(before, 600'000u) << "each takes 100 bytes";
  EXPECT_EQ(Retain(*log, {.bytes = before}).records, 0u);
  const RetentionPlan plan = Retain(*log, {.bytes = 200'000});
  const uint64_t after = log->Describe().live_bytes;
  EXPECT_GE(after, 200'000u);
  EXPECT_LE(after, 200'000u + (64 << 10));
  EXPECT_EQ(plan.bytes, before - after);
  EXPECT_EQ(plan.records, plan.bytes / 100);
}

TEST_F(RetentionPlanTest, NumbersThatARestoreLeftOutAreNoRecords) {
  auto log = OpenSegments();
  for (int i = 0; i < 20; ++i) {  // three to a segment
    const testing::Batch batch{.payloads = {std::string(20'000, 'x')},
                               .first_sequence = 1 + SequenceNumber(i) * 1000};
    ASSERT_TRUE(testing::CommitOne(*log, batch).status.ok());
  }
  for (const bool reopened : {false, true}) {
    if (reopened) {
      log = nullptr;
      log = OpenSegments();
    }
    EXPECT_EQ(Retain(*log, {.records = 20}).records, 0u);
    EXPECT_EQ(Retain(*log, {.records = reopened ? 8u : 14u}).records, 6u);
  }
}

TEST_F(RetentionPlanTest, EntryLogsAreLeftAlone) {
  const RetentionPlan plan = PlanBesideEntries(Segments());
  ASSERT_EQ(plan.marks.size(), 1u);
  EXPECT_EQ(plan.marks[0].table, 2u);
  EXPECT_EQ(plan.records, 10u) << "of five segments, each with two of either table";
}

TEST_F(RetentionPlanTest, EntryLogsOnRocksdbAreLeftAlone) {
  auto engine = testing::OpenRocksdbOnFiles(&disk_, "/d/rocksdb");
  ASSERT_TRUE(engine.ok()) << engine.status();
  const RetentionPlan plan = PlanBesideEntries(**engine);
  ASSERT_EQ(plan.marks.size(), 1u);
  EXPECT_EQ(plan.marks[0].table, 2u);
  EXPECT_EQ(plan.marks[0].through, 8u);
}

}  // namespace
}  // namespace walden
