// What copying a region asks of its source.
#include "engine/transfer/region_copy.h"

#include <memory>
#include <string>
#include <vector>

#include "engine/segment/segment_engine.h"
#include "engine/wait.h"
#include "gtest/gtest.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/log_verbs.h"

namespace walden::testing {
namespace {

// Counts the items of descriptions that it was asked for.
class CountingLog final : public ReadableLog {
 public:
  explicit CountingLog(const RegionLog& log) : log_(log) {}

  SequenceNumber NextNumber(TableId table) const override { return log_.NextNumber(table); }
  TablePosition Position(TableId table) const override { return log_.Position(table); }
  absl::StatusOr<std::unique_ptr<LogReader>> NewReader(const ReadRange& range) const override {
    return log_.NewReader(range);
  }
  std::unique_ptr<TableCut> CutTables() const override { return log_.CutTables(); }
  RegionPage DescribePage(const DescribeCursor& from, size_t limit) const override {
    RegionPage page = log_.DescribePage(from, limit);
    described += page.description.tables.size();
    return page;
  }
  absl::StatusOr<SequenceNumber> FirstSince(TableId table, absl::Time time) const override {
    return log_.FirstSince(table, time);
  }

  mutable size_t described = 0;

 private:
  const RegionLog& log_;
};

std::unique_ptr<LogEngine> OpenEngine(FileSystem& disk, const std::string& name) {
  auto engine = SegmentEngine::Open({.file_system = &disk,
                                     .clock = Clock::Real(),
                                     .data_directory = "/data",
                                     .namespace_name = name});
  EXPECT_TRUE(engine.ok()) << engine.status();
  return *std::move(engine);
}

TEST(RegionCopyTest, EveryTableIsDescribedOnceHoweverManyThereAre) {
  constexpr TableId kTables = 300;
  FaultFileSystem disk;
  ASSERT_TRUE(disk.CreateDirectory("/data").ok());
  const auto from_engine = OpenEngine(disk, "from");
  const auto to_engine = OpenEngine(disk, "to");
  const auto from = *OpenRegionAndWait(*from_engine, 1, {.segment_size_bytes = 1 << 20}, true);
  const auto to = *OpenRegionAndWait(*to_engine, 1, {.segment_size_bytes = 1 << 20}, true);
  std::vector<Batch> group;
  for (TableId table = 1; table <= kTables; ++table) {
    group.push_back({.table = table, .payloads = {"abc"}});
  }
  (void)CommitGroup(*from, group);
  const CountingLog source(*from);
  const auto copied = CopyRegion(source, *to, {}, [](const RegionCopyProgress&) { return true; });
  ASSERT_TRUE(copied.ok()) << copied.status();
  EXPECT_EQ(copied->records, kTables);
  EXPECT_EQ(source.described, kTables);
}

}  // namespace
}  // namespace walden::testing
