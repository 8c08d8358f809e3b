// `walden backup`, the real binary against a fake daemon whose region changes while it is copied.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "gtest/gtest.h"
#include "tests/unit/cli/commands/fake_walden.h"
#include "tests/unit/cli/commands/run_walden.h"

namespace walden::cli {
namespace {

namespace fs = std::filesystem;

class BackupTest : public testing::Test {
 protected:
  BackupTest() {
    char name[] = "/tmp/walden_backup_test_XXXXXX";
    directory_ = mkdtemp(name);
    daemon_.AddRecords(1, 1, {"a", "b", "c"});
    EXPECT_EQ(BackUp().exit_code, 0);
    finished_ = Manifest();
    daemon_.AddRecords(1, 1, {"d"});
    daemon_.AddRecords(1, 2, {"e"});
  }
  ~BackupTest() override { fs::remove_all(directory_); }

  Outcome BackUp() {
    return RunWalden({"backup", directory_ + "/backup", "--address", daemon_.address()});
  }
  std::string Manifest() const {
    std::stringstream contents;
    contents << std::ifstream(directory_ + "/backup/region_1/manifest.json").rdbuf();
    return contents.str();
  }

  // Once, when table 1 is copied and table 2 is not: the region's log is `table_1` and nothing
  // else.
  void BecomesInBetween(const std::vector<std::string>& table_1) {
    daemon_.SetBeforeRecover([this, table_1](uint64_t table) {
      if (table != 2) return;
      daemon_.DropRegion(1);
      daemon_.AddRecords(1, 1, table_1);
      daemon_.SetBeforeRecover(nullptr);
    });
  }

  void ExpectRefusedAndTheCopyKept(const std::string& why) {
    const Outcome outcome = BackUp();
    EXPECT_EQ(outcome.exit_code, 5) << outcome.out << outcome.err;
    EXPECT_NE(outcome.err.find(why), std::string::npos) << outcome.err;
    EXPECT_EQ(Manifest(), finished_);
  }

  FakeWalden daemon_;
  std::string directory_;
  std::string finished_;
};

TEST_F(BackupTest, ARegionThatIsDroppedAndMadeAgainMeanwhileKeepsItsLastCopy) {
  BecomesInBetween({"new"});
  ExpectRefusedAndTheCopyKept("table 1 has come to 1 there, and here to 4");
  // Nor is it taken for the same log later.
  ExpectRefusedAndTheCopyKept("table 1 has come to 1 there, and here to 4");
}

TEST_F(BackupTest, SoDoesOneThatHasGrownPastTheOldOne) {
  BecomesInBetween({"n", "e", "w", "e", "r"});
  ExpectRefusedAndTheCopyKept("record 5 of table 2 was there when this backup began");
  ExpectRefusedAndTheCopyKept("record 4 has other bytes there");
}

TEST_F(BackupTest, WhenAPowerCutTakesWhatWasNotCopiedYetTheSameCommandGoesOn) {
  BecomesInBetween({"a", "b", "c", "d"});
  ExpectRefusedAndTheCopyKept("Run the same command again");
  const Outcome again = BackUp();
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_NE(again.out.find("1 table, 4 records"), std::string::npos) << again.out;
}

TEST_F(BackupTest, WhatIsMarkedDeletedMeanwhileNeedNotCome) {
  daemon_.SetBeforeRecover([this](uint64_t table) {
    if (table == 2) daemon_.MarkDeleted(1, 2, 5);
  });
  const Outcome outcome = BackUp();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("2 tables, 4 records"), std::string::npos) << outcome.out;
}

}  // namespace
}  // namespace walden::cli
