// `walden read` and `walden tail`, the real binary against a fake daemon.
#include <signal.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
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

TEST_F(ReadTest, TheLastRecordsAreCountedFromTheEnd) {
  daemon_.AddRecords(1, 2, {"1", "2"});
  daemon_.AddRecords(1, 3, {"another table's"});
  daemon_.AddRecords(1, 2, {"4", "5"});
  EXPECT_EQ(Read({"--last", "3"}).out, "2\n4\n5\n");
  EXPECT_EQ(Read({"--last", "3", "--before", "5"}).out, "2\n4\n");
  EXPECT_EQ(Read({"--last", "30"}).out, "1\n2\n4\n5\n");
  EXPECT_EQ(Read({"--last", "1", "--from", "1"}).exit_code, 2);
  EXPECT_EQ(Read({"--last", "0"}).exit_code, 2);
}

TEST_F(ReadTest, AReadBeginsAtATimeOrSoLongAgo) {
  daemon_.AddRecords(1, 2, {"old"}, absl::Now() - absl::Hours(48));
  daemon_.AddRecords(1, 2, {"of an hour ago"}, absl::Now() - absl::Hours(1));
  EXPECT_EQ(Read({"--since", "1d"}).out, "of an hour ago\n");
  EXPECT_EQ(Read({"--since", "30m"}).out, "");
  EXPECT_EQ(Read({"--since", "2020-01-01T00:00:00Z"}).out, "old\nof an hour ago\n");
  EXPECT_EQ(Read({"--since", absl::FormatTime(absl::RFC3339_full, absl::Now() - absl::Hours(2),
                                              absl::UTCTimeZone())})
                .out,
            "of an hour ago\n");
  const Outcome wrong = Read({"--since", "yesterday"});
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_NE(wrong.err.find("neither a duration, such as 10m or 7d, nor a time"), std::string::npos)
      << wrong.err;
  EXPECT_EQ(Read({"--since", "1d", "--last", "1"}).exit_code, 2);
}

TEST_F(ReadTest, AStreamThatIsCutIsDataLossAfterItsRecords) {
  daemon_.AddRecords(1, 2, {"1", "2"});
  daemon_.SetStreamFault(FakeWalden::StreamFault::kNoSummary);
  for (const Strings& command : {Strings{"read"}, Strings{"tail", "--no-follow"}}) {
    const Outcome outcome = RunWalden(Command(command[0], {command.begin() + 1, command.end()}));
    EXPECT_EQ(outcome.exit_code, 4) << command[0];
    EXPECT_EQ(outcome.out, "1\n2\n");
    EXPECT_NE(outcome.err.find("the stream was cut after 2 records"), std::string::npos)
        << outcome.err;
  }
}

TEST_F(ReadTest, ASummaryThatCountsOtherRecordsIsDataLoss) {
  daemon_.AddRecords(1, 2, {"1", "2"});
  daemon_.SetStreamFault(FakeWalden::StreamFault::kWrongCount);
  const Outcome outcome = Read({});
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_NE(outcome.err.find("the summary says 3 records, 2 bytes, but 2 records, 2 bytes came"),
            std::string::npos)
      << outcome.err;
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

TEST_F(ReadTest, SeveralTablesAreMarkedInOneCall) {
  daemon_.AddRecords(1, 2, {"1", "2"});
  daemon_.AddRecords(1, 3, {"3", "4"});
  const auto mark = [this](const Strings& more) {
    Strings arguments = {"mark-deleted", "-r", "1", "-a", daemon_.address()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunWalden(arguments);
  };
  EXPECT_EQ(mark({"2:1", "3:3"}).out, "table 2: deleted through 1\ntable 3: deleted through 3\n");
  EXPECT_EQ(daemon_.last_marks().marks_size(), 2);
  EXPECT_EQ(
      mark({"-t", "2", "-t", "3", "--through", "4", "--json"}).out,
      "{\"results\":[{\"table_id\":2,\"position\":{\"first_live_sequence\":3,\"next_sequence\":3,"
      "\"deleted_through\":2,\"durable_through\":0}},"
      "{\"table_id\":3,\"position\":{\"first_live_sequence\":5,\"next_sequence\":5,"
      "\"deleted_through\":4,\"durable_through\":0}}]}\n");
  for (const Strings& wrong :
       {Strings{}, Strings{"2"}, Strings{"2:"}, Strings{"2:x"}, Strings{"-t", "2"},
        Strings{"-t", "2", "--through", "1", "--older-than", "1d"},
        Strings{"--through", "1", "2:1"}}) {
    EXPECT_EQ(mark(wrong).exit_code, 2) << testing::PrintToString(wrong);
  }
}

TEST_F(ReadTest, RecordsAreMarkedByTheirAge) {
  daemon_.AddRecords(1, 2, {"1"}, absl::Now() - absl::Hours(24 * 8));
  daemon_.AddRecords(1, 2, {"2"}, absl::Now() - absl::Hours(24 * 6));
  daemon_.AddRecords(1, 2, {"3"}, absl::Now());
  EXPECT_EQ(RunWalden(Command("mark-deleted", {"--older-than", "7d"})).out, "deleted through 1\n");
  const std::string yesterday =
      absl::FormatTime(absl::RFC3339_full, absl::Now() - absl::Hours(24), absl::UTCTimeZone());
  EXPECT_EQ(RunWalden(Command("mark-deleted", {"--before", yesterday})).out, "deleted through 2\n");
  EXPECT_EQ(RunWalden(Command("mark-deleted", {"--before", "7d"})).exit_code, 2);
  EXPECT_EQ(RunWalden(Command("mark-deleted", {"--older-than", yesterday})).exit_code, 2);
}

TEST_F(ReadTest, AFencedRegionRefusesLowerVersions) {
  const auto fence = [this](const std::string& version) {
    return RunWalden({"fence", "-r", "1", version, "-a", daemon_.address()});
  };
  EXPECT_EQ(fence("7").out, "region 1: writers with a version below 7 are refused\n");
  EXPECT_TRUE(daemon_.HasRegion(1));
  EXPECT_EQ(RunWalden(Command("append", {"--region-version", "6", "x"})).exit_code, 5);
  EXPECT_EQ(RunWalden(Command("append", {"--region-version", "7", "x"})).exit_code, 0);
  EXPECT_EQ(fence("6").exit_code, 5);
  EXPECT_EQ(fence("0").exit_code, 2);
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

TEST_F(ReadTest, HeartbeatsOfAnEmptyTableAreSilent) {
  WaldenProcess process(Command("tail", {}));
  EXPECT_TRUE(process.WaitForError("waiting until it is written\n"));
  EXPECT_TRUE(daemon_.AwaitHeartbeats(3));
  process.Signal(SIGINT);
  const Outcome outcome = process.Wait();
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err, "region 1 does not exist; waiting until it is written\n");
}

TEST_F(ReadTest, HeartbeatsDoNotRepeatTheNoteAboutDeletedRecords) {
  daemon_.AddRecords(1, 2, {"1", "2"});
  EXPECT_EQ(MarkDeleted("2").exit_code, 0);
  WaldenProcess process(Command("read", {"--from", "1", "--skip-deleted", "--follow"}));
  EXPECT_TRUE(process.WaitForError("the log goes on at 3\n"));
  EXPECT_TRUE(daemon_.AwaitHeartbeats(3));
  process.Signal(SIGINT);
  const std::string errors = process.Wait().err;
  EXPECT_EQ(errors.find("note: "), errors.rfind("note: ")) << errors;
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
