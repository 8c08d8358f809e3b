// `walden read` and `walden tail`, the real binary against a fake daemon.
#include <signal.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/unit/cli/commands/fake_walden.h"
#include "tests/unit/cli/commands/run_walden.h"

namespace walden::cli {
namespace {

using Strings = std::vector<std::string>;

class ReadTest : public testing::Test {
 protected:
  Strings Command(const std::string& name, const Strings& more) const {
    Strings arguments = {name, "--address", daemon_.address(), "-r", "1", "-t", "2"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  Outcome Read(const Strings& more) { return RunWalden(Command("read", more)); }
  Outcome MarkDeleted(const std::string& through) {
    return RunWalden(Command("mark-deleted", {"--through", through}));
  }

  FakeWalden daemon_;
};

TEST_F(ReadTest, PayloadsComeAsTheyAreOneALine) {
  daemon_.AddRecords(1, 2, {"one", "", "thr\xFF\xFF"});
  const Outcome outcome = Read({});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "one\n\nthr\xFF\xFF\n");
  EXPECT_EQ(outcome.err, "");
}

TEST_F(ReadTest, BoundsAreInclusiveOrExclusiveAtBothEnds) {
  daemon_.AddRecords(1, 2, {"1", "2", "3", "4", "5"});
  EXPECT_EQ(Read({"--from", "2", "--to", "4"}).out, "2\n3\n4\n");
  EXPECT_EQ(Read({"--after", "2", "--before", "4"}).out, "3\n");
  EXPECT_EQ(Read({"--from", "2", "--limit", "2"}).out, "2\n3\n");
  EXPECT_EQ(Read({"--from", "1", "--after", "1"}).exit_code, 2);
}

TEST_F(ReadTest, EveryFormatIsOffered) {
  daemon_.AddRecords(1, 2, {"one", "t\"o"});
  EXPECT_EQ(Read({"--show-sequence"}).out, "1\tone\n2\tt\"o\n");
  EXPECT_EQ(Read({"--length-delimited"}).out, std::string("\0\0\0\3one\0\0\0\3t\"o", 14));
  EXPECT_EQ(Read({"--json"}).out,
            "{\"table\":2,\"sequence\":1,\"payload\":\"one\"}\n"
            "{\"table\":2,\"sequence\":2,\"payload\":\"t\\\"o\"}\n");
}

TEST_F(ReadTest, AStartThatIsSkippedIsToldOnStandardError) {
  daemon_.AddRecords(1, 2, {"1", "2", "3"});
  EXPECT_EQ(MarkDeleted("2").out, "deleted through 2\n");
  const Outcome outcome = Read({"--from", "1", "--skip-deleted"});
  EXPECT_EQ(outcome.out, "3\n");
  EXPECT_EQ(outcome.err, "note: records through 2 are deleted; the log goes on at 3\n");
  EXPECT_EQ(Read({"--from", "3", "--skip-deleted"}).err, "");
}

TEST_F(ReadTest, MarkingBeyondTheEndTellsTheClampedPosition) {
  daemon_.AddRecords(1, 2, {"1", "2", "3"});
  EXPECT_EQ(MarkDeleted("1000").out, "deleted through 3\n");
}

TEST_F(ReadTest, ARegionThatDoesNotExistIsAnError) {
  const Outcome outcome = Read({});
  EXPECT_EQ(outcome.exit_code, 7) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find("NOT_FOUND"), std::string::npos) << outcome.err;
}

TEST_F(ReadTest, ATableThatWasNeverWrittenIsEmpty) {
  daemon_.AddRecords(1, 77, {"another table's"});
  const Outcome outcome = Read({});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out + outcome.err, "");
}

TEST_F(ReadTest, AClosedPipeEndsItQuietly) {
  daemon_.AddRecords(1, 2, Strings(2000, std::string(1000, 'x')));
  WaldenProcess process(Command("read", {}));
  EXPECT_TRUE(process.WaitForOutput("x"));
  process.CloseOutput();
  const Outcome outcome = process.Wait();
  EXPECT_EQ(outcome.exit_code, 141);
  EXPECT_EQ(outcome.err, "");
}

TEST_F(ReadTest, AFullDeviceIsAnError) {
  daemon_.AddRecords(1, 2, {"x"});
  const std::string command =
      std::string(WALDEN_BINARY) + " read -r 1 -t 2 -a " + daemon_.address() + " >/dev/full 2>&1";
  EXPECT_EQ(WEXITSTATUS(system(command.c_str())), 6);
}

TEST_F(ReadTest, TailPrintsTheLastRecordsThenNewOnesAndEndsCleanlyOnCtrlC) {
  daemon_.AddRecords(1, 2, {"1", "2", "3"});
  WaldenProcess process(Command("tail", {"-n", "2"}));
  EXPECT_TRUE(process.WaitForOutput("2\n3\n"));
  daemon_.AddRecords(1, 2, {"4"});
  EXPECT_TRUE(process.WaitForOutput("4\n"));
  process.Signal(SIGINT);
  const Outcome outcome = process.Wait();
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.out, "2\n3\n4\n");
  EXPECT_EQ(outcome.err, "");
}

TEST_F(ReadTest, ATailOfARegionThatDoesNotExistSaysThatItWaitsForIt) {
  for (const char* command : {"tail", "read"}) {
    const uint64_t region = command[0] == 't' ? 8 : 9;
    const Strings follow = command[0] == 't' ? Strings{} : Strings{"--follow"};
    Strings arguments = {command, "-r", std::to_string(region), "-t", "2", "-a", daemon_.address()};
    arguments.insert(arguments.end(), follow.begin(), follow.end());
    WaldenProcess process(arguments);
    const std::string note =
        "region " + std::to_string(region) + " does not exist; waiting until it is written\n";
    EXPECT_TRUE(process.WaitForError(note));
    daemon_.AddRecords(region, 2, {"new"});
    EXPECT_TRUE(process.WaitForOutput("new\n"));
    process.Signal(SIGINT);
    EXPECT_EQ(process.Wait().err.substr(0, note.size()), note);
  }
}

TEST_F(ReadTest, ATailThatDoesNotFollowFailsIfTheRegionDoesNotExist) {
  const Outcome outcome = RunWalden(Command("tail", {"--no-follow"}));
  EXPECT_EQ(outcome.exit_code, 7) << outcome.err;
  EXPECT_NE(outcome.err.find("NOT_FOUND"), std::string::npos) << outcome.err;
}

TEST_F(ReadTest, ATailOfATableWithoutRecordsSaysNothing) {
  daemon_.AddRecords(1, 77, {"another table's"});
  const Outcome outcome = RunWalden(Command("tail", {"--no-follow"}));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out + outcome.err, "");
}

TEST_F(ReadTest, TailFindsTheLastRecordsBehindOtherTablesNumbers) {
  daemon_.AddRecords(1, 2, {"old 1", "old 2", "old 3"});
  daemon_.AddRecords(1, 3, Strings(5000, "other"));
  daemon_.AddRecords(1, 2, {"new"});
  EXPECT_EQ(RunWalden(Command("tail", {"-n", "3", "--no-follow"})).out, "old 2\nold 3\nnew\n");
  EXPECT_EQ(RunWalden(Command("tail", {"-n", "0", "--no-follow"})).out, "");
  EXPECT_EQ(RunWalden(Command("tail", {"--no-follow"})).out, "old 1\nold 2\nold 3\nnew\n");
}

TEST_F(ReadTest, ATailWhoseDaemonGoesAwayFails) {
  WaldenProcess process(Command("tail", {}));
  daemon_.AddRecords(1, 2, {"seen"});
  EXPECT_TRUE(process.WaitForOutput("seen"));
  daemon_.Stop();
  EXPECT_NE(process.Wait().exit_code, 0);
}

}  // namespace
}  // namespace walden::cli
