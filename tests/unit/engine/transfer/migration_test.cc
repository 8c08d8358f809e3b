// A namespace moves to the other engine and back, and is stopped on the way at every change.
#include "engine/transfer/migration.h"

#include <map>

#include "absl/strings/match.h"
#include "base/clock.h"
#include "base/error.h"
#include "engine/rocksdb/rocksdb_engine.h"
#include "engine/segment/segment_engine.h"
#include "engine/wait.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/log_verbs.h"
#include "tests/support/rocksdb_env_on_file_system.h"

namespace walden {
namespace {

using testing::Batch;
using testing::CommitOne;
using testing::Crash;
using testing::FaultFileSystem;
using ::testing::HasSubstr;
using testing::StoredRecord;

struct StoredTable {
  TablePosition position;
  std::vector<StoredRecord> records;
};
struct StoredRegion {
  uint64_t version = 0;
  std::map<TableId, StoredTable> tables;
};
using Contents = std::map<RegionId, StoredRegion>;

std::string Show(const Contents& contents) {
  std::ostringstream out;
  for (const auto& [region, stored] : contents) {
    out << "region " << region << " version " << stored.version << "\n";
    for (const auto& [table, held] : stored.tables) {
      const TablePosition& at = held.position;
      const bool entries = at.kind == TableKind::kEntries;
      // Not what comes next: a copy may leave out numbers that the source gave out elsewhere.
      out << " table " << table << (entries ? " entries" : " log") << " "
          << (at.first == at.next ? at.last + 1 : at.first) << " " << at.last + 1 << " "
          << at.deleted_through << "\n";
      for (const StoredRecord& record : held.records) out << "  " << record << "\n";
    }
  }
  return out.str();
}

class MigrationTest : public ::testing::Test {
 protected:
  static constexpr uint64_t kSegmentBytes = 1 << 20;

  void SetUp() override { ASSERT_TRUE(disk_.CreateDirectory("/data").ok()); }

  OfflineNamespace Where() {
    env_ = testing::MakeRocksdbEnv(&disk_);
    return {.file_system = &disk_, .env = env_.get(), .data_directory = "/data"};
  }
  absl::StatusOr<std::unique_ptr<LogEngine>> Open(DirectoryOwner engine) {
    return OpenOffline(Where(), "default", engine, /*caller_holds_lock=*/false);
  }
  static RegionOptions Options() { return {.segment_size_bytes = kSegmentBytes}; }

  // Regions with tables of equal ids and numbers, gaps, marks, kinds and a version.
  void Fill(DirectoryOwner engine) {
    auto opened = Open(engine);
    ASSERT_TRUE(opened.ok()) << opened.status();
    for (const RegionId region : {1, 2, 90}) {
      auto log = OpenRegionAndWait(**opened, region, Options(), true);
      ASSERT_TRUE(log.ok()) << log.status();
      const auto append = [&](const Batch& batch) {
        const testing::BatchResult result = CommitOne(**log, batch);
        ASSERT_TRUE(result.status.ok()) << result.status;
      };
      if (region == 90) append({.table = 1, .payloads = {"x"}, .region_version = 17});
      for (int turn = 0; turn < 6; ++turn) {
        append({.table = 1, .payloads = {"one", "", std::string(3000 * turn, 'p')}});
        append({.table = 7, .payloads = {"seven"}});
        append({.table = 9, .payloads = {"key"}, .kind = TableKind::kEntries});
        append({.table = 11, .payloads = {"gone"}});
      }
      ASSERT_TRUE(MarkTableAndWait(**log, 1, 5, std::nullopt).ok());
      ASSERT_TRUE(MarkTableAndWait(**log, 11, kMaxSequenceNumber, std::nullopt).ok());
      ASSERT_TRUE(CloseAndWait(**log).ok());
    }
    auto empty = OpenRegionAndWait(**opened, 4, Options(), true);
    ASSERT_TRUE(empty.ok() && CloseAndWait(**empty).ok());
  }

  static Contents Read(DirectoryOwner engine, FaultFileSystem& disk) {
    Contents contents;
    const auto env = testing::MakeRocksdbEnv(&disk);
    auto opened = OpenOffline({&disk, env.get(), "/data", 1}, "default", engine, false);
    EXPECT_TRUE(opened.ok()) << opened.status();
    if (!opened.ok()) return contents;
    const auto regions = (*opened)->ListRegions();
    EXPECT_TRUE(regions.ok()) << regions.status();
    for (const RegionId region : *regions) {
      auto log = OpenRegionAndWait(**opened, region, Options(), false);
      EXPECT_TRUE(log.ok()) << log.status();
      StoredRegion& stored = contents[region];
      const RegionDescription description = (*log)->Describe();
      stored.version = description.region_version;
      for (const TableState& table : description.tables) {
        const auto records = testing::ReadTable(**log, table.table);
        EXPECT_TRUE(records.ok()) << records.status();
        stored.tables[table.table] = {(*log)->Position(table.table), *records};
      }
      EXPECT_TRUE(CloseAndWait(**log).ok());
    }
    return contents;
  }

  absl::StatusOr<MigrationResult> Migrate(DirectoryOwner to, bool skip_damaged = false) {
    return MigrateNamespace({.where = Where(),
                             .namespace_name = "default",
                             .to = to,
                             .segment_size_bytes = kSegmentBytes,
                             .skip_damaged = skip_damaged},
                            [](const MigrationProgress&) { return true; });
  }
  void RemoveOld() {
    for (const std::string& path : disk_.FilesBelow("/data/default.before-migration")) {
      ASSERT_TRUE(disk_.RemoveFile(path).ok());
    }
    ASSERT_TRUE(disk_.Rename("/data/default.before-migration", "/data/removed").ok());
  }

  FaultFileSystem disk_;
  std::unique_ptr<rocksdb::Env> env_;
};

TEST_F(MigrationTest, ThereAndBackEveryNumberMarkKindAndVersionIsTheSame) {
  Fill(DirectoryOwner::kSegment);
  const std::string before = Show(Read(DirectoryOwner::kSegment, disk_));
  EXPECT_THAT(before, HasSubstr("region 90 version 17"));
  EXPECT_THAT(before, HasSubstr(" table 9 entries"));
  const auto there = Migrate(DirectoryOwner::kRocksdb);
  ASSERT_TRUE(there.ok()) << there.status();
  EXPECT_EQ(there->regions, 4u);
  EXPECT_EQ(Show(Read(DirectoryOwner::kRocksdb, disk_)), before);
  RemoveOld();
  const auto back = Migrate(DirectoryOwner::kSegment);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->records, there->records);
  EXPECT_EQ(Show(Read(DirectoryOwner::kSegment, disk_)), before);
}

TEST_F(MigrationTest, AppendsGoOnBehindWhatWasMigrated) {
  Fill(DirectoryOwner::kRocksdb);
  const Contents before = Read(DirectoryOwner::kRocksdb, disk_);
  ASSERT_TRUE(Migrate(DirectoryOwner::kSegment).ok());
  auto engine = Open(DirectoryOwner::kSegment);
  ASSERT_TRUE(engine.ok()) << engine.status();
  auto log = OpenRegionAndWait(**engine, 2, Options(), false);
  ASSERT_TRUE(log.ok()) << log.status();
  for (const auto& [table, stored] : before.at(2).tables) {
    const testing::BatchResult result =
        CommitOne(**log, {.table = table,
                          .payloads = {"more"},
                          .kind = table == 9 ? TableKind::kEntries : TableKind::kLog});
    ASSERT_TRUE(result.status.ok()) << result.status;
    EXPECT_GE(result.first, stored.position.next);
  }
}

// Crashes inside every change that a migration makes, then runs it again.
class CrashedMigrationTest : public MigrationTest,
                             public ::testing::WithParamInterface<DirectoryOwner> {};
INSTANTIATE_TEST_SUITE_P(To, CrashedMigrationTest,
                         ::testing::Values(DirectoryOwner::kSegment, DirectoryOwner::kRocksdb),
                         [](const auto& of) { return std::string(DirectoryOwnerName(of.param)); });

TEST_P(CrashedMigrationTest, WhereverItStopsTheSameCallFinishesIt) {
  const DirectoryOwner to = GetParam();
  const DirectoryOwner from =
      to == DirectoryOwner::kSegment ? DirectoryOwner::kRocksdb : DirectoryOwner::kSegment;
  Fill(from);
  const std::string before = Show(Read(from, disk_));
  const auto pristine = disk_.CopyOfDisk(1);
  uint64_t changes = 0;
  {
    const auto copy = pristine->CopyOfDisk(2);
    const auto env = testing::MakeRocksdbEnv(copy.get());
    const uint64_t at = copy->changes();
    ASSERT_TRUE(MigrateNamespace({.where = {copy.get(), env.get(), "/data", 1},
                                  .namespace_name = "default",
                                  .to = to,
                                  .segment_size_bytes = kSegmentBytes},
                                 [](const MigrationProgress&) { return true; })
                    .ok());
    changes = copy->changes() - at;
  }
  // Every one of the last, which swap the directories, and a sample of those before.
  const uint64_t step = std::max<uint64_t>(1, changes / 40);
  for (uint64_t nth = 1; nth <= changes; nth += nth + 12 > changes ? 1 : step) {
    SCOPED_TRACE(absl::StrCat("change ", nth, " of ", changes));
    const auto copy = pristine->CopyOfDisk(nth);
    const auto migrate = [&] {
      const auto env = testing::MakeRocksdbEnv(copy.get());
      return MigrateNamespace({.where = {copy.get(), env.get(), "/data", 1},
                               .namespace_name = "default",
                               .to = to,
                               .segment_size_bytes = kSegmentBytes},
                              [](const MigrationProgress&) { return true; })
          .status();
    };
    copy->CrashAt(nth, nth % 2 == 0 ? Crash::kKill : Crash::kPowerCut);
    (void)migrate();
    copy->CancelCrash();
    copy->Restart();
    // Between the renames no engine makes an empty namespace of the name.
    const auto names = copy->ListDirectory("/data");
    ASSERT_TRUE(names.ok());
    if (std::find(names->begin(), names->end(), "default") == names->end()) {
      const absl::Status refused = CheckDirectoryOwner(copy.get(), "/data", "default", to);
      EXPECT_TRUE(HasReason(refused, ErrorReason::kWrongEngine)) << refused;
    }
    const absl::Status again = migrate();
    ASSERT_TRUE(again.ok()) << again;
    ASSERT_EQ(Show(Read(to, *copy)), before);
  }
}

TEST_F(MigrationTest, WhatWasWrittenAfterAStoppedMigrationIsMigratedToo) {
  Fill(DirectoryOwner::kSegment);
  const auto stopped =
      MigrateNamespace({.where = Where(),
                        .namespace_name = "default",
                        .to = DirectoryOwner::kRocksdb,
                        .segment_size_bytes = kSegmentBytes},
                       [](const MigrationProgress& seen) { return seen.regions < 2; });
  EXPECT_TRUE(absl::IsCancelled(stopped.status())) << stopped.status();
  {
    auto engine = Open(DirectoryOwner::kSegment);
    ASSERT_TRUE(engine.ok()) << engine.status();
    auto log = OpenRegionAndWait(**engine, 1, Options(), false);
    ASSERT_TRUE(log.ok()) << log.status();
    ASSERT_TRUE(MarkTableAndWait(**log, 7, kMaxSequenceNumber, std::nullopt).ok());
    ASSERT_TRUE(CommitOne(**log, {.table = 1, .payloads = {"later"}}).status.ok());
    ASSERT_TRUE(CloseAndWait(**log).ok());
    ASSERT_TRUE(*DropRegionAndWait(**engine, 2));
  }
  const std::string before = Show(Read(DirectoryOwner::kSegment, disk_));
  const auto result = Migrate(DirectoryOwner::kRocksdb);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(Show(Read(DirectoryOwner::kRocksdb, disk_)), before);
}

TEST_F(MigrationTest, ADamagedNamespaceIsRefusedOrMigratedAroundTheDamage) {
  Fill(DirectoryOwner::kSegment);
  const std::string path = "/data/default/1/seg_0";
  const size_t at = disk_.ReadWhole(path).rfind("seven");
  disk_.FlipBit(path, at, 1);
  const auto refused = Migrate(DirectoryOwner::kRocksdb);
  EXPECT_TRUE(absl::IsDataLoss(refused.status())) << refused.status();
  EXPECT_THAT(refused.status().message(), HasSubstr("seg_0"));
  EXPECT_FALSE(disk_.Exists("/data/default/CURRENT"));
  const auto around = Migrate(DirectoryOwner::kRocksdb, /*skip_damaged=*/true);
  ASSERT_TRUE(around.ok()) << around.status();
  ASSERT_EQ(around->damaged.size(), 1u);
  EXPECT_EQ(around->damaged[0].first, around->damaged[0].last);
  const Contents after = Read(DirectoryOwner::kRocksdb, disk_);
  EXPECT_EQ(after.at(1).tables.at(7).records.size(), 5u);
  EXPECT_EQ(after.at(2).tables.at(7).records.size(), 6u);
}

TEST_F(MigrationTest, EnginesRefuseEachOthersDirectoriesAndPointToTheWay) {
  Fill(DirectoryOwner::kSegment);
  const absl::Status wrong = Open(DirectoryOwner::kRocksdb).status();
  EXPECT_TRUE(HasReason(wrong, ErrorReason::kWrongEngine)) << wrong;
  EXPECT_THAT(wrong.message(), HasSubstr("engine segment"));
  EXPECT_THAT(wrong.message(), HasSubstr("walden migrate --data-dir /data --namespace default --to "
                                         "rocksdb"));
  ASSERT_TRUE(Migrate(DirectoryOwner::kRocksdb).ok());
  const absl::Status reverse = Open(DirectoryOwner::kSegment).status();
  EXPECT_TRUE(HasReason(reverse, ErrorReason::kWrongEngine)) << reverse;
  EXPECT_FALSE(disk_.Exists("/data/default/spare"));
}

TEST_F(MigrationTest, WhatCannotBeMigratedIsSaid) {
  EXPECT_TRUE(absl::IsNotFound(Migrate(DirectoryOwner::kRocksdb).status()));
  Fill(DirectoryOwner::kSegment);
  EXPECT_THAT(Migrate(DirectoryOwner::kSegment).status().message(), HasSubstr("already"));
  {
    auto engine = Open(DirectoryOwner::kSegment);
    ASSERT_TRUE(engine.ok());
    EXPECT_TRUE(HasReason(Migrate(DirectoryOwner::kRocksdb).status(), ErrorReason::kLocked));
  }
  disk_.SetCapacity(disk_.UsedBytes() + (1 << 20));
  const absl::Status full = Migrate(DirectoryOwner::kRocksdb).status();
  EXPECT_TRUE(HasReason(full, ErrorReason::kDiskFull)) << full;
  disk_.SetCapacity(UINT64_MAX);
  ASSERT_TRUE(Migrate(DirectoryOwner::kRocksdb).ok());
  // Finished, so the same call again changes nothing; the way back finds the old copy in its way.
  ASSERT_TRUE(Migrate(DirectoryOwner::kRocksdb).ok());
  EXPECT_THAT(Migrate(DirectoryOwner::kSegment).status().message(),
              HasSubstr("default.before-migration"));
}

TEST_F(MigrationTest, AnotherNamespaceIdIsNotTakenForAnEmptyNamespace) {
  Fill(DirectoryOwner::kRocksdb);
  OfflineNamespace where = Where();
  where.namespace_id = 9;
  const auto refused = MigrateNamespace(
      {.where = where, .namespace_name = "default", .to = DirectoryOwner::kSegment},
      [](const MigrationProgress&) { return true; });
  EXPECT_TRUE(absl::IsFailedPrecondition(refused.status())) << refused.status();
  EXPECT_THAT(refused.status().message(), HasSubstr("--namespace-id"));
}

}  // namespace
}  // namespace walden
