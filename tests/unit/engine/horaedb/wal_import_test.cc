// HoraeDB's local log, written here from the format's text, comes into Walden on either engine.
#include "engine/horaedb/wal_import.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/open/open_engine.h"
#include "engine/wait.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/log_verbs.h"
#include "tests/support/rocksdb_env_on_file_system.h"
#include "tests/unit/engine/horaedb/wal_writer.h"

namespace walden {
namespace {

using testing::Crash;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::WalMagic;
using testing::WalRecord;

class ImportTest : public ::testing::TestWithParam<DirectoryOwner> {
 protected:
  static constexpr SequenceNumber kFirst = 1000;  // older segments are gone
  static constexpr SequenceNumber kRecords = 600;
  static constexpr SequenceNumber kPerSegment = 250;

  void SetUp() override {
    for (const char* directory : {"/data", "/wal", "/wal/3"}) {
      ASSERT_TRUE(disk_.CreateDirectory(directory).ok());
    }
    ASSERT_TRUE(disk_.SyncDirectory("/wal").ok() && disk_.SyncDirectory("/").ok());
  }

  static TableId TableOf(SequenceNumber sequence) { return sequence % 3; }
  static std::string PayloadOf(SequenceNumber sequence) {
    return sequence % 50 == 0 ? "" : absl::StrCat("payload ", sequence, std::string(300, 'p'));
  }

  // Three segments of records of three tables in turn.
  void WriteLog() {
    for (SequenceNumber from = 0; from < kRecords; from += kPerSegment) {
      std::string bytes = WalMagic();
      for (SequenceNumber i = from; i < std::min(kRecords, from + kPerSegment); ++i) {
        const SequenceNumber sequence = kFirst + i;
        absl::StrAppend(&bytes, WalRecord(TableOf(sequence), sequence, PayloadOf(sequence)));
      }
      WriteSegment(from / kPerSegment + 8, bytes);  // 8, 9, 10: not in the order of their names
    }
  }
  void WriteSegment(uint64_t id, const std::string& bytes) {
    testing::WriteWalFile(disk_, absl::StrCat("/wal/3/seg_", id), bytes, 256 << 10);
  }

  absl::Status Open() {
    log_.reset();
    engine_.reset();
    env_ = testing::MakeRocksdbEnv(&disk_);
    auto engine = OpenOffline({&disk_, env_.get(), "/data", 1}, "default", GetParam(), false);
    if (!engine.ok()) return engine.status();
    engine_ = *std::move(engine);
    auto log = OpenRegionAndWait(*engine_, 3, {.segment_size_bytes = 64 << 10}, true);
    if (log.ok()) log_ = *std::move(log);
    return log.status();
  }
  absl::StatusOr<horaedb::WalImportResult> Import() {
    const absl::Status opened = Open();
    if (!opened.ok()) return opened;
    return horaedb::ImportWal(&disk_, "/wal/3", "wal/3", *log_,
                              [](const horaedb::WalImportProgress&) { return true; });
  }
  void ExpectAllBut(SequenceNumber first_lost, SequenceNumber last_lost) {
    SequenceNumber found = 0;
    for (const TableId table : {0, 1, 2}) {
      const auto records = testing::ReadTable(*log_, table);
      ASSERT_TRUE(records.ok()) << records.status();
      SequenceNumber last = 0;
      for (const auto& record : *records) {
        EXPECT_GT(record.sequence, last);
        last = record.sequence;
        EXPECT_EQ(TableOf(last), table);
        EXPECT_EQ(record.payload, PayloadOf(last));
        EXPECT_TRUE(last < first_lost || last > last_lost);
      }
      found += records->size();
    }
    EXPECT_EQ(found, kRecords - (last_lost == 0 ? 0 : last_lost - first_lost + 1));
  }

  testing::FaultFileSystem disk_;
  std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<LogEngine> engine_;
  std::unique_ptr<RegionLog> log_;
};
INSTANTIATE_TEST_SUITE_P(To, ImportTest,
                         ::testing::Values(DirectoryOwner::kSegment, DirectoryOwner::kRocksdb),
                         [](const auto& of) { return std::string(DirectoryOwnerName(of.param)); });

TEST_P(ImportTest, EveryRecordKeepsItsTableItsNumberAndItsBytes) {
  WriteLog();
  const auto result = Import();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->segments, 3u);
  EXPECT_EQ(result->tables, 3u);
  EXPECT_EQ(result->imported_records, kRecords);
  EXPECT_TRUE(result->damaged.empty());
  ExpectAllBut(0, 0);
  const testing::BatchResult next =
      testing::CommitOne(*log_, {.table = 1, .payloads = {"Walden's"}});
  EXPECT_GE(next.first, 1598u);
}

TEST_P(ImportTest, AgainItImportsNothingAndGoesOnBehindWhatIsThere) {
  WriteLog();
  ASSERT_TRUE(Import().ok());
  const SequenceNumber more = kFirst + kRecords;
  WriteSegment(11, WalMagic() + WalRecord(TableOf(more), more, "more"));
  const auto again = Import();
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->records, kRecords + 1);
  EXPECT_EQ(again->imported_records, 1u);
}

TEST_P(ImportTest, WhereverItIsStoppedTheSameCallFinishesIt) {
  WriteLog();
  uint64_t crashes = 0;
  for (uint64_t nth = 1; nth < 60; nth += 3) {
    disk_.CrashAt(nth, nth % 2 == 0 ? Crash::kKill : Crash::kPowerCut);
    crashes += Import().ok() ? 0 : 1;
    disk_.CancelCrash();
    disk_.Restart();
  }
  EXPECT_GT(crashes, 5u);
  const auto result = Import();
  ASSERT_TRUE(result.ok()) << result.status();
  ExpectAllBut(0, 0);
}

TEST_P(ImportTest, DamageIsReportedWithTheNumbersThatMayBeLostAndTheRestIsImported) {
  WriteLog();
  const std::string path = "/wal/3/seg_9";
  const size_t at = disk_.ReadWhole(path).find(absl::StrCat("payload ", kFirst + 300, "p"));
  disk_.FlipBit(path, at == std::string::npos ? 5000 : at + 20, 2);
  for (const bool again : {false, true}) {
    const auto result = Import();
    ASSERT_TRUE(result.ok()) << result.status();
    ASSERT_EQ(result->damaged.size(), 1u);
    EXPECT_EQ(result->damaged[0].file, "wal/3/seg_9");
    EXPECT_EQ(result->damaged[0].first, result->damaged[0].last);
    EXPECT_EQ(result->records, kRecords - 1);
    EXPECT_EQ(result->imported_records, again ? 0 : kRecords - 1);
    ExpectAllBut(result->damaged[0].first, result->damaged[0].last);
  }
}

TEST_P(ImportTest, LostNumbersAreBoundedByTheNextSegmentOrNotAtAll) {
  std::string broken = WalRecord(1, 2, "two");
  broken.back() = 'X';
  WriteSegment(0, WalMagic() + WalRecord(1, 1, "one") + broken);
  WriteSegment(1, WalMagic() + WalRecord(1, 5, "five") + broken);
  const auto result = Import();
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(result->damaged.size(), 2u);
  EXPECT_EQ(result->damaged[0].first, 2u);
  EXPECT_EQ(result->damaged[0].last, 4u);
  EXPECT_EQ(result->damaged[1].first, 6u);
  EXPECT_EQ(result->damaged[1].last, kMaxSequenceNumber);
}

TEST_P(ImportTest, LeftoversOfAReusedFileAreCountedAndNotImported) {
  WriteSegment(
      0, WalMagic() + WalRecord(1, 10, "ten") + WalRecord(1, 3, "old") + WalRecord(2, 4, "old"));
  WriteSegment(1, WalMagic() + WalRecord(1, 11, "eleven"));
  const auto result = Import();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->leftover_records, 2u);
  EXPECT_EQ(result->records, 2u);
  EXPECT_TRUE(result->damaged.empty());
}

std::vector<std::string> PayloadsOf(const RegionLog& log, TableId table) {
  std::vector<std::string> payloads;
  const auto records = testing::ReadTable(log, table);
  EXPECT_TRUE(records.ok()) << records.status();
  if (!records.ok()) return payloads;
  for (const auto& record : *records) {
    payloads.push_back(absl::StrCat(record.sequence, " ", record.payload));
  }
  return payloads;
}

TEST_P(ImportTest, ANewerSegmentsRecordsWinOverThoseBehindDamage) {
  // A power cut left record 3 undecodable and 4, 5 behind it. HoraeDB went on with number 3.
  WriteSegment(0, WalMagic() + WalRecord(1, 1, "a") + WalRecord(1, 2, "b") +
                      std::string(7, '\xaa') + WalRecord(1, 4, "stale") + WalRecord(1, 5, "stale"));
  WriteSegment(1, WalMagic() + WalRecord(1, 3, "new") + WalRecord(1, 4, "new") +
                      WalRecord(1, 5, "new") + WalRecord(1, 6, "new"));
  const auto result = Import();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(PayloadsOf(*log_, 1), ElementsAre("1 a", "2 b", "3 new", "4 new", "5 new", "6 new"));
  EXPECT_EQ(result->superseded_records, 2u);
  EXPECT_EQ(result->records_behind_damage, 0u);
  EXPECT_EQ(result->leftover_records, 0u);
  ASSERT_EQ(result->damaged.size(), 1u);
  EXPECT_EQ(result->damaged[0].last, 0u) << "no number is missing";
}

TEST_P(ImportTest, RecordsBehindDamageWhoseNumbersNoNewerSegmentHasAreImported) {
  // The first record of the newer segment is a leftover of an earlier use of its file.
  WriteSegment(0, WalMagic() + WalRecord(1, 8, "a") + std::string(7, '\xaa') +
                      WalRecord(1, 10, "c") + WalRecord(1, 11, "d"));
  WriteSegment(1, WalMagic() + WalRecord(1, 2, "old") + WalRecord(1, 12, "e"));
  const auto result = Import();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(PayloadsOf(*log_, 1), ElementsAre("8 a", "10 c", "11 d", "12 e"));
  EXPECT_EQ(result->records_behind_damage, 2u);
  EXPECT_EQ(result->superseded_records, 0u);
  ASSERT_EQ(result->damaged.size(), 1u);
  EXPECT_EQ(result->damaged[0].first, 9u);
  EXPECT_EQ(result->damaged[0].last, 9u);
}

TEST_P(ImportTest, ARegionThatHoldsSomethingElseIsRefusedAndLeftAsItIs) {
  WriteLog();
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(testing::CommitOne(*log_, {.table = 1, .payloads = {"mine"}}).status.ok());
  const auto refused = Import();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused.status())) << refused.status();
  EXPECT_THAT(refused.status().message(), HasSubstr("table 1 already holds"));
  EXPECT_EQ(log_->Describe().tables.size(), 1u);
  EXPECT_EQ(log_->Position(1).next, 2u);
}

TEST_P(ImportTest, WhatIsNoLogIsSaid) {
  EXPECT_THAT(Import().status().message(), HasSubstr("no file named seg_<id>"));
}

}  // namespace
}  // namespace walden
