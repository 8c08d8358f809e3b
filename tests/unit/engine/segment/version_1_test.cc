// Directories that format version 1 wrote (tests/golden/segment_version_1): they open, hold what
// they held, and go on in version 2.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine/segment/format.h"
#include "engine/segment/metadata_format.h"
#include "engine/segment/segment_engine.h"
#include "engine/wait.h"
#include "gtest/gtest.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/log_verbs.h"
#include "tests/support/settable_wall_clock.h"

namespace walden {
namespace {

using testing::Batch;
using testing::BatchResult;
using testing::CommitOne;
using testing::FaultFileSystem;
using testing::StoredRecord;

struct ExpectedTable {
  TablePosition position;
  TableKind kind = TableKind::kLog;
  std::vector<StoredRecord> records;
};
using ExpectedRegion = std::map<TableId, ExpectedTable>;

class Version1Test : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/walden_version_1_test_XXXXXX";
    directory_ = mkdtemp(name);
    const std::string command = "tar -xzf " WALDEN_SOURCE_DIR
                                "/tests/golden/segment_version_1/data.tar.gz -C " +
                                directory_;
    ASSERT_EQ(std::system(command.c_str()), 0);
    ReadExpected();
    LoadDisk(disk_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  void ReadExpected() {
    std::ifstream lines(directory_ + "/expected.txt");
    for (std::string line; std::getline(lines, line);) {
      std::istringstream fields(line);
      std::string what;
      RegionId region = 0;
      fields >> what >> region;
      if (what == "version") {
        fields >> versions_[region];
        continue;
      }
      TableId table = 0;
      fields >> table;
      ExpectedTable& expected = regions_[region][table];
      if (what == "table") {
        std::string kind;
        fields >> expected.position.first >> expected.position.next >>
            expected.position.deleted_through >> kind;
        if (kind == "entries") expected.kind = TableKind::kEntries;
      } else {
        StoredRecord record{.table = table};
        fields >> record.sequence;
        std::getline(fields >> std::ws, record.payload);
        expected.records.push_back(record);
      }
    }
    ASSERT_EQ(regions_.size(), 4u);
  }

  void LoadDisk(FaultFileSystem& disk) const {
    namespace fs = std::filesystem;
    ASSERT_TRUE(disk.CreateDirectory("/data").ok());
    for (const auto& entry : fs::recursive_directory_iterator(directory_)) {
      const std::string path = "/data" + entry.path().string().substr(directory_.size());
      if (entry.is_directory()) {
        ASSERT_TRUE(disk.CreateDirectory(path).ok());
        continue;
      }
      std::ifstream from(entry.path(), std::ios::binary);
      std::stringstream bytes;
      bytes << from.rdbuf();
      auto file = disk.CreateFile(path);
      ASSERT_TRUE(file.ok()) << file.status();
      ASSERT_TRUE((*file)->Write(0, {bytes.str()}).ok());
      ASSERT_TRUE((*file)->SyncData().ok());
    }
    for (const char* const directory : {"/", "/data", "/data/default", "/data/default/1",
                                        "/data/default/2", "/data/default/3", "/data/default/4"}) {
      ASSERT_TRUE(disk.SyncDirectory(directory).ok());
    }
  }

  static absl::StatusOr<std::unique_ptr<SegmentEngine>> OpenEngine(
      FaultFileSystem& disk, const WallClock* wall_clock = WallClock::Real()) {
    return SegmentEngine::Open({.file_system = &disk,
                                .clock = Clock::Real(),
                                .wall_clock = wall_clock,
                                .data_directory = "/data",
                                .namespace_name = "default"});
  }
  static absl::StatusOr<std::unique_ptr<RegionLog>> OpenRegion(
      SegmentEngine& engine, RegionId region, RecoveryPolicy policy = RecoveryPolicy::kRefuse) {
    return OpenRegionAndWait(engine, region,
                             {.recovery_policy = policy, .segment_size_bytes = 8192},
                             /*create=*/false);
  }

  // The segment of the region, and the position, where the payload stands.
  static std::pair<std::string, size_t> Find(const FaultFileSystem& disk, RegionId region,
                                             const std::string& payload) {
    for (const std::string& path : disk.FilesBelow("/data/default/" + std::to_string(region))) {
      const size_t at = disk.ReadWhole(path).find(payload);
      if (path.find("seg_") != std::string::npos && at != std::string::npos) return {path, at};
    }
    return {};
  }

  // `exact`: nothing was reserved, so each table's next number is its last plus one.
  void ExpectHolds(const RegionLog& log, RegionId region, bool exact) const {
    for (const auto& [table, expected] : regions_.at(region)) {
      SCOPED_TRACE(table);
      const auto records = testing::ReadTable(log, table);
      ASSERT_TRUE(records.ok()) << records.status();
      EXPECT_EQ(*records, expected.records);
      const TablePosition position = log.Position(table);
      EXPECT_EQ(position.deleted_through, expected.position.deleted_through);
      EXPECT_EQ(position.kind, expected.kind);
      if (exact) {
        EXPECT_EQ(position.next, expected.position.next);
        EXPECT_EQ(position.first, expected.position.first);
      } else {
        EXPECT_GE(position.next, expected.position.next);
      }
    }
    EXPECT_EQ(log.Describe().region_version, versions_.at(region));
  }

  static bool Exact(RegionId region) { return region != 2; }

  std::string directory_;
  std::map<RegionId, ExpectedRegion> regions_;
  std::map<RegionId, uint64_t> versions_;
  FaultFileSystem disk_;
};

TEST_F(Version1Test, EveryRegionHoldsWhatItHeld) {
  for (const bool again : {false, true}) {
    SCOPED_TRACE(again);
    auto engine = OpenEngine(disk_);
    ASSERT_TRUE(engine.ok()) << engine.status();
    for (const auto& [region, tables] : regions_) {
      SCOPED_TRACE(region);
      auto log = OpenRegion(**engine, region);
      ASSERT_TRUE(log.ok()) << log.status();
      ExpectHolds(**log, region, Exact(region));
      const OpeningReport report = (*log)->Describe().opening;
      const bool torn = region == 3 && !again;
      EXPECT_EQ(report.outcome,
                torn ? OpeningReport::Outcome::kTornTail : OpeningReport::Outcome::kClean);
      EXPECT_EQ(!report.evidence_file.empty(), torn);
      ASSERT_TRUE(CloseAndWait(**log).ok());
    }
  }
}

// Version 1 stored no append times.
TEST_F(Version1Test, ItsRecordsWereAppendedByTheUpgrade) {
  testing::SettableWallClock time;
  const absl::Time upgraded = time.now();
  for (const bool again : {false, true}) {
    SCOPED_TRACE(again);
    auto engine = OpenEngine(disk_, &time);
    ASSERT_TRUE(engine.ok()) << engine.status();
    for (const auto& [region, tables] : regions_) {
      auto log = OpenRegion(**engine, region);
      ASSERT_TRUE(log.ok()) << log.status();
      for (const auto& [table, expected] : tables) {
        SCOPED_TRACE(::testing::Message() << "region " << region << ", table " << table);
        const TablePosition position = (*log)->Position(table);
        EXPECT_EQ(*(*log)->FirstSince(table, absl::InfinitePast()), position.first);
        EXPECT_EQ(*(*log)->FirstSince(table, upgraded), position.first);
        EXPECT_EQ(*(*log)->FirstSince(table, upgraded + absl::Milliseconds(1)), position.next);
      }
      ASSERT_TRUE(CloseAndWait(**log).ok());
    }
    time.Advance(absl::Hours(1));
  }
  auto engine = OpenEngine(disk_, &time);
  auto log = OpenRegion(**engine, 4);
  ASSERT_TRUE(log.ok()) << log.status();
  const BatchResult next = CommitOne(**log, Batch{.table = 1, .payloads = {"version 2"}});
  ASSERT_TRUE(next.status.ok()) << next.status;
  EXPECT_EQ(*(*log)->FirstSince(1, upgraded + absl::Seconds(1)), next.first);
}

// A clock that is set forward later must not make young records old.
TEST_F(Version1Test, ItsRecordsAreNotOlderThanItsFilesWhereTheClockIsBehind) {
  testing::SettableWallClock time;
  const absl::Time written = time.now() + absl::Hours(24 * 400);
  FaultFileSystem disk;
  disk.SetTime(written);
  LoadDisk(disk);
  disk.SetTime(time.now());
  auto engine = OpenEngine(disk, &time);
  ASSERT_TRUE(engine.ok()) << engine.status();
  for (const auto& [region, tables] : regions_) {
    auto log = OpenRegion(**engine, region);
    ASSERT_TRUE(log.ok()) << log.status();
    for (const auto& [table, expected] : tables) {
      EXPECT_EQ(*(*log)->FirstSince(table, written), (*log)->Position(table).first);
    }
  }
}

TEST_F(Version1Test, NewRecordsGoToAVersion2SegmentAndOldFilesStayAsTheyAre) {
  const std::string old = disk_.ReadWhole("/data/default/4/seg_0");
  for (int round = 0; round < 3; ++round) {
    auto engine = OpenEngine(disk_);
    ASSERT_TRUE(engine.ok()) << engine.status();
    for (const auto& [region, tables] : regions_) {
      SCOPED_TRACE(region);
      auto log = OpenRegion(**engine, region);
      ASSERT_TRUE(log.ok()) << log.status();
      for (const auto& [table, expected] : tables) {
        const SequenceNumber next = (*log)->Position(table).next;
        const testing::BatchResult result =
            CommitOne(**log, {.table = table, .payloads = {"new"}, .kind = expected.kind});
        ASSERT_TRUE(result.status.ok()) << result.status;
        EXPECT_GE(result.first, next);
        EXPECT_GT(result.first, expected.position.next - 1);
      }
      if (round == 1) continue;  // once as after a crash
      ASSERT_TRUE(CloseAndWait(**log).ok());
    }
    for (const auto& [region, tables] : regions_) {
      auto log = OpenRegion(**engine, region);
      ASSERT_TRUE(log.ok()) << log.status();
      for (const auto& [table, expected] : tables) {
        const auto records = testing::ReadTable(**log, table);
        ASSERT_TRUE(records.ok()) << records.status();
        ASSERT_EQ(records->size(), expected.records.size() + round + 1);
      }
      ASSERT_TRUE(CloseAndWait(**log).ok());
    }
  }
  EXPECT_EQ(disk_.ReadWhole("/data/default/4/seg_0"), old);
  EXPECT_EQ(disk_.ReadWhole("/data/default/4/seg_1").substr(0, segment::kMagicBytes),
            segment::kSegmentMagic);
  EXPECT_EQ(disk_.ReadWhole("/data/default/4/metadata").substr(0, segment::kMagicBytes),
            segment::kMetadataMagic);
}

// At every operation of the first opening: killed and cut off from power.
TEST_F(Version1Test, ACrashDuringTheFirstOpeningLosesNothing) {
  for (const auto& [region, tables] : regions_) {
    for (const testing::Crash crash : {testing::Crash::kKill, testing::Crash::kPowerCut}) {
      bool crashed = true;
      for (uint64_t nth = 1; crashed; ++nth) {
        SCOPED_TRACE(std::to_string(region) + " at " + std::to_string(nth));
        FaultFileSystem disk(nth);
        LoadDisk(disk);
        auto engine = OpenEngine(disk);
        ASSERT_TRUE(engine.ok()) << engine.status();
        disk.CrashAt(nth, crash);
        (void)OpenRegion(**engine, region);
        crashed = disk.crashed();
        disk.CancelCrash();
        engine->reset();
        if (crashed) disk.Restart();
        engine = OpenEngine(disk);
        ASSERT_TRUE(engine.ok()) << engine.status();
        auto log = OpenRegion(**engine, region);
        ASSERT_TRUE(log.ok()) << log.status();
        ExpectHolds(**log, region, Exact(region));
        if (HasFailure()) return;
      }
    }
  }
}

// Of each record in turn a bit flips before version 2 opens the directory for the first time.
TEST_F(Version1Test, DamageBeforeTheFirstOpeningTakesOneRecordAndIsRemembered) {
  constexpr RegionId kRegion = 4;
  const TableId table = regions_.at(kRegion).begin()->first;
  const ExpectedTable& expected = regions_.at(kRegion).at(table);
  for (const StoredRecord& lost : expected.records) {
    SCOPED_TRACE(lost.sequence);
    FaultFileSystem disk;
    LoadDisk(disk);
    const auto [path, at] = Find(disk, kRegion, lost.payload);
    ASSERT_NE(path, "");
    disk.FlipBit(path, at, 2);
    {
      auto engine = OpenEngine(disk);
      ASSERT_TRUE(engine.ok());
      EXPECT_TRUE(absl::IsDataLoss(OpenRegion(**engine, kRegion).status()));
    }
    std::vector<StoredRecord> left = expected.records;
    std::erase(left, lost);
    for (int opening = 0; opening < 3; ++opening) {
      auto engine = OpenEngine(disk);
      ASSERT_TRUE(engine.ok());
      auto log = OpenRegion(**engine, kRegion, RecoveryPolicy::kQuarantine);
      ASSERT_TRUE(log.ok()) << log.status();
      const auto damaged = (*log)->Describe().opening.damaged;
      ASSERT_EQ(damaged.size(), 1u);
      EXPECT_LE(damaged[0].first, lost.sequence);
      EXPECT_GE(damaged[0].last, lost.sequence);
      EXPECT_TRUE(absl::IsDataLoss(testing::ReadTable(**log, table).status()));
      const auto read = testing::ReadAll(**log, {.table = table, .pass_known_damage = true});
      ASSERT_TRUE(read.ok()) << read.status();
      EXPECT_EQ(*read, left);
      EXPECT_GE((*log)->Position(table).next, expected.position.next);
    }
    if (HasFailure()) return;
  }
}

TEST_F(Version1Test, DamageInAnUpgradedSegmentIsFound) {
  {
    auto engine = OpenEngine(disk_);
    ASSERT_TRUE(engine.ok());
    auto log = OpenRegion(**engine, 2);
    ASSERT_TRUE(log.ok()) << log.status();
  }
  const std::string bytes = disk_.ReadWhole("/data/default/2/seg_0");
  const StoredRecord& last = regions_.at(2).at(4).records.back();
  const size_t at = bytes.rfind(last.payload);
  ASSERT_NE(at, std::string::npos);
  // As if the last record had never been written.
  for (size_t i = at - segment::kMinRecordBytes; i < at + last.payload.size(); ++i) {
    disk_.SetByte("/data/default/2/seg_0", i, '\0');
  }
  auto engine = OpenEngine(disk_);
  ASSERT_TRUE(engine.ok());
  EXPECT_TRUE(absl::IsDataLoss(OpenRegion(**engine, 2).status()));
}

}  // namespace
}  // namespace walden
