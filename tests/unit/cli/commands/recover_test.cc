// `walden recover`, the real binary against a fake daemon.
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/unit/cli/commands/fake_walden.h"
#include "tests/unit/cli/commands/run_walden.h"

namespace walden::cli {
namespace {

namespace fs = std::filesystem;
using Strings = std::vector<std::string>;

class RecoverTest : public testing::Test {
 protected:
  RecoverTest() {
    char name[] = "/tmp/walden_recover_test_XXXXXX";
    directory_ = mkdtemp(name);
    daemon_.AddRecords(1, 2, {"a", "b"});
    daemon_.AddRecords(1, 7, {"c\nd"});
    daemon_.AddRecords(1, 2, {"e"});
  }
  ~RecoverTest() override { fs::remove_all(directory_); }

  Outcome Recover(const Strings& more) {
    Strings arguments = {"recover", "--address", daemon_.address(), "-r", "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunWalden(arguments);
  }
  std::string Path(const std::string& name) const { return directory_ + "/" + name; }
  static std::string Contents(const std::string& path) {
    std::stringstream contents;
    contents << std::ifstream(path, std::ios::binary).rdbuf();
    return contents.str();
  }
  std::set<std::string> FilesIn(const std::string& path) const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(path)) {
      names.insert(entry.path().filename().string());
    }
    return names;
  }

  FakeWalden daemon_;
  std::string directory_;
};

TEST_F(RecoverTest, EveryTableComesAndTheSummaryIsToldOnStandardError) {
  const Outcome outcome = Recover({"--show-sequence"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "2\t1\ta\n2\t2\tb\n2\t4\te\n7\t3\tc\nd\n");
  EXPECT_EQ(outcome.err,
            "region 1: 2 tables, opened cleanly\n"
            "recovered 4 records, 6 B, of 2 tables; complete\n");
}

TEST_F(RecoverTest, OneTableAlone) { EXPECT_EQ(Recover({"--table", "2"}).out, "a\nb\ne\n"); }

TEST_F(RecoverTest, JsonBeginsWithTheStateAndEndsWithTheSummary) {
  const std::string out = Recover({"--json"}).out;
  EXPECT_EQ(out.find("{\"state\":{\"engine\":\"fake\""), 0u) << out;
  EXPECT_NE(out.find("\n{\"table\":7,\"sequence\":3,\"payload\":\"c\\nd\"}\n"), std::string::npos);
  const std::string summary =
      "{\"summary\":{\"record_count\":4,\"payload_bytes\":6,\"table_count\":2}}\n";
  ASSERT_GE(out.size(), summary.size());
  EXPECT_EQ(out.substr(out.size() - summary.size()), summary);
}

TEST_F(RecoverTest, AnOutputDirectoryGetsOneFilePerTable) {
  const Outcome outcome = Recover({"--output", Path("new")});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(FilesIn(Path("new")), (std::set<std::string>{"table_2", "table_7"}));
  EXPECT_EQ(Contents(Path("new/table_2")), "a\nb\ne\n");
  EXPECT_EQ(Contents(Path("new/table_7")), "c\nd\n");
}

TEST_F(RecoverTest, ManyTablesAndMoreBytesThanAreHeldInMemory) {
  const std::string payload(100'000, 'x');
  for (uint64_t table = 100; table < 300; ++table) {
    daemon_.AddRecords(1, table, {payload, std::to_string(table)});
  }
  const Outcome outcome = Recover({"--output", directory_});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(FilesIn(directory_).size(), 202u);
  EXPECT_EQ(Contents(Path("table_177")), payload + "\n177\n");
}

TEST_F(RecoverTest, ADirectoryWithFilesInItIsNotTouched) {
  std::ofstream(Path("table_2")) << "precious";
  const Outcome outcome = Recover({"--output", directory_});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_NE(outcome.err.find("is not empty"), std::string::npos) << outcome.err;
  EXPECT_EQ(Contents(Path("table_2")), "precious");
}

TEST_F(RecoverTest, AStreamWithoutSummaryIsDataLossAndItsFilesStayPartial) {
  daemon_.SetStreamFault(FakeWalden::StreamFault::kNoSummary);
  const Outcome outcome = Recover({"--output", directory_});
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_NE(outcome.err.find("ended without its summary"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("4 records came"), std::string::npos) << outcome.err;
  for (const std::string& name : FilesIn(directory_)) EXPECT_TRUE(name.ends_with(".partial"));
}

TEST_F(RecoverTest, AWrongCountIsDataLoss) {
  daemon_.SetStreamFault(FakeWalden::StreamFault::kWrongCount);
  const Outcome outcome = Recover({});
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_NE(outcome.err.find("the summary says 5 records"), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace walden::cli
