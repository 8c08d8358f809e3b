// Bytes that rot in RocksDB's files.
#include "absl/time/clock.h"
#include "engine/rocksdb/directory/inspect.h"
#include "engine/wait.h"
#include "tests/support/random.h"
#include "tests/unit/engine/rocksdb/rocksdb_fixture.h"

namespace walden {
namespace {

using testing::ReadTable;

class RocksdbDamageTest : public RocksdbTest {
 protected:
  static constexpr int kRecords = 800;

  // Tables 1 and 2, or 1 alone, whose older records are in table files.
  void SetUp() override {
    write_buffer_bytes_ = 1 << 20;
    RocksdbTest::SetUp();
    ASSERT_TRUE(Open().ok());
    testing::Random random(1);
    for (int i = 0; i < kRecords; ++i) {
      Append(1, random.NonZeroBytes(2000));
      if (has_second_table_) Append(2, "small");
    }
    // The log file that they were in goes when their table file is whole.
    const absl::Time deadline = absl::Now() + absl::Seconds(60);
    while (Files(".sst").empty() || Files(".log").size() > 1) {
      ASSERT_LT(absl::Now(), deadline) << "no table file was written";
      absl::SleepFor(absl::Milliseconds(1));
    }
    ASSERT_TRUE(CloseAndWait(*log_).ok());
    Stop();
  }

  // Flips a bit in the middle of a table file, far from the ends of any table, and names the file.
  std::string DamageATableFile() {
    const std::string file = Files(".sst").front();
    disk_.FlipBit(file, disk_.ReadWhole(file).size() / 2, 3);
    return file;
  }

  absl::Status OpenAgain() {
    OpenEngine();
    return Open();
  }

  std::vector<DamagedRange> Verified() {
    std::vector<DamagedRange> findings;
    EXPECT_TRUE(log_->Verify([&](const VerifyProgress& progress) {
                      findings.insert(findings.end(), progress.findings.begin(),
                                      progress.findings.end());
                      return true;
                    })
                    .ok());
    return findings;
  }

  bool has_second_table_ = true;
};

class RocksdbOneTableDamageTest : public RocksdbDamageTest {
 protected:
  RocksdbOneTableDamageTest() { has_second_table_ = false; }
};

TEST_F(RocksdbDamageTest, ABlockOfATableFileThatRotsIsDataLossWithItsFile) {
  const std::string file = DamageATableFile();
  ASSERT_TRUE(OpenAgain().ok()) << "damage that no seek met";
  const auto records = ReadTable(*log_, 1);
  ASSERT_TRUE(absl::IsDataLoss(records.status())) << records.status();
  EXPECT_EQ(testing::ErrorValue(records.status(), "file"), file.substr(6));
  EXPECT_NE(testing::ErrorValue(records.status(), "last_sequence"), "0");
  // Behind the file's records everything is served, and appends go on.
  const SequenceNumber last = std::stoull(testing::ErrorValue(records.status(), "last_sequence"));
  const auto behind = testing::ReadAll(*log_, {.table = 1, .first = last + 1});
  ASSERT_TRUE(behind.ok()) << behind.status();
  EXPECT_EQ(behind->size(), kRecords - last);
  Append(1, "goes on");
}

TEST_F(RocksdbDamageTest, VerifyFindsATableFileThatWasRemovedWhileItsNamespaceIsOpen) {
  ASSERT_TRUE(OpenAgain().ok());
  ASSERT_TRUE(ReadTable(*log_, 1).ok());
  // RocksDB has it open and goes on reading it.
  const std::string file = Files(".sst").front();
  ASSERT_TRUE(disk_.RemoveFile(file).ok());
  const std::vector<DamagedRange> findings = Verified();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].file, file.substr(6));
}

TEST_F(RocksdbDamageTest, VerifyFindsTheMissingFileOfANamespaceThatCannotBeOpened) {
  for (const char* name : {"/CURRENT", ".sst"}) {
    const std::string file = Files(name).front();
    const std::string bytes = disk_.ReadWhole(file);
    ASSERT_TRUE(disk_.RemoveFile(file).ok());
    OpenEngine();
    EXPECT_TRUE(absl::IsDataLoss(Open()));
    std::vector<DamagedRange> findings;
    const absl::Status verified =
        engine_->VerifyClosedRegion(1, [&](const VerifyProgress& progress) {
          findings.insert(findings.end(), progress.findings.begin(), progress.findings.end());
          return true;
        });
    ASSERT_TRUE(verified.ok()) << verified;
    ASSERT_EQ(findings.size(), 1u) << file;
    EXPECT_EQ(findings[0].file, file.substr(6));
    Stop();
    auto restored = disk_.CreateFile(file);
    ASSERT_TRUE(restored.ok()) << restored.status();
    ASSERT_TRUE((*restored)->Write(0, {bytes}).ok());
    ASSERT_TRUE((*restored)->SyncData().ok());
  }
}

TEST_F(RocksdbDamageTest, VerifyNamesADamagedTableFileAndGoesOnBehindIt) {
  const std::string file = DamageATableFile();
  ASSERT_TRUE(OpenAgain().ok());
  std::vector<DamagedRange> findings;
  uint64_t records = 0;
  ASSERT_TRUE(log_->Verify([&](const VerifyProgress& progress) {
                    findings.insert(findings.end(), progress.findings.begin(),
                                    progress.findings.end());
                    records = progress.records_checked;
                    return true;
                  })
                  .ok());
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].file, file.substr(6));
  EXPECT_EQ(findings[0].table, std::nullopt) << "both tables are in the file";
  EXPECT_GT(records, 0u);
}

TEST_F(RocksdbOneTableDamageTest, VerifyNamesTheOnlyTableOfADamagedFile) {
  const std::string file = DamageATableFile();
  ASSERT_TRUE(OpenAgain().ok());
  const std::vector<DamagedRange> findings = Verified();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].file, file.substr(6));
  EXPECT_EQ(findings[0].table, TableId{1});
}

TEST_F(RocksdbDamageTest, AMissingTableFileRefusesTheNamespaceAndEveryCallSaysSo) {
  const std::string file = Files(".sst").front();
  ASSERT_TRUE(disk_.RemoveFile(file).ok());
  OpenEngine();
  for (const absl::Status& status :
       {Open(), engine_->ListRegions().status(), DropRegionAndWait(*engine_, 1).status()}) {
    EXPECT_TRUE(HasReason(status, ErrorReason::kCorruption)) << status;
  }
}

TEST_F(RocksdbDamageTest, VerifyOfANamespaceThatCannotOpenNamesTheDamage) {
  const std::string file = DamageATableFile();
  ASSERT_TRUE(disk_.RemoveFile("/data/default/CURRENT").ok());
  disk_.CreateFile("/data/default/CURRENT").IgnoreError();
  OpenEngine();
  EXPECT_TRUE(HasReason(Open(), ErrorReason::kCorruption));
  std::vector<DamagedRange> findings;
  ASSERT_TRUE(engine_
                  ->VerifyClosedRegion(1,
                                       [&](const VerifyProgress& progress) {
                                         findings.insert(findings.end(), progress.findings.begin(),
                                                         progress.findings.end());
                                         return true;
                                       })
                  .ok());
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].file, file.substr(6));
}

TEST_F(RocksdbDamageTest, InspectShowsADamagedNamespaceWithoutOpeningIt) {
  const auto sound = rocks::InspectNamespace(&disk_, env_.get(), "/data/default");
  ASSERT_TRUE(sound.ok()) << sound.status();
  EXPECT_TRUE(sound->opened.ok()) << sound->opened;
  ASSERT_EQ(sound->tables.size(), 2u);
  EXPECT_EQ(sound->tables[0].region, 1u);
  EXPECT_EQ(sound->tables[0].state.last_live, kRecords);
  EXPECT_EQ(sound->namespace_ids, std::vector<NamespaceId>{1});
  const std::string file = DamageATableFile();
  const auto damaged = rocks::InspectNamespace(&disk_, env_.get(), "/data/default");
  ASSERT_TRUE(damaged.ok()) << damaged.status();
  size_t damages = 0;
  for (const rocks::CheckedFile& checked : damaged->files) damages += checked.damage.size();
  EXPECT_EQ(damages, 1u);
}

}  // namespace
}  // namespace walden
