// Commands that look at and look after regions, and the command line itself.
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/unit/cli/commands/fake_walden.h"
#include "tests/unit/cli/commands/run_walden.h"

namespace walden::cli {
namespace {

using Strings = std::vector<std::string>;

class LookTest : public testing::Test {
 protected:
  Outcome Run(Strings arguments) {
    arguments.push_back("--address");
    arguments.push_back(daemon_.address());
    return RunWalden(arguments);
  }

  FakeWalden daemon_;
};

TEST_F(LookTest, NamespacesAndRegionsAreListed) {
  EXPECT_EQ(Run({"namespaces"}).out,
            "namespace  name     engine  regions\n"
            "        1  default  fake          2  default\n");
  EXPECT_EQ(Run({"regions"}).err, "no regions yet\n");
  daemon_.AddRecords(5, 1, {"x"});
  daemon_.AddRecords(123, 1, {"x"});
  daemon_.SetOldestAppended(absl::Now() - absl::Hours(76) - absl::Minutes(30));
  EXPECT_EQ(Run({"regions"}).out,
            "region  state  tables  records     live      disk  oldest\n"
            "     5  open        1    6,170  1.0 KiB  64.0 MiB   3d 4h\n"
            "   123  open        1  151,782  1.0 KiB  64.0 MiB   3d 4h\n");
}

TEST_F(LookTest, ARegionThatIsNotOpenIsListedWithoutItsUsage) {
  daemon_.AddRecords(5, 1, {"x"});
  daemon_.SetOldestAppended(absl::Now() - absl::Hours(76) - absl::Minutes(30));
  daemon_.AddBrokenRegion();
  EXPECT_EQ(Run({"regions"}).out,
            "              region  state   tables  records     live      disk  oldest  error\n"
            "                   5  open         1    6,170  1.0 KiB  64.0 MiB   3d 4h\n"
            "18446744073709551615  broken       -        -        -         -       -  DATA_LOSS "
            "(CORRUPTION): a hole\n");
}

TEST_F(LookTest, RegionsAreJsonWithTheirUsageIfTheyAreOpen) {
  daemon_.AddRecords(5, 1, {"x"});
  daemon_.SetOldestAppended(absl::FromUnixMillis(1'700'000'000'123));
  daemon_.AddBrokenRegion();
  EXPECT_EQ(Run({"regions", "--json"}).out,
            "{\"region_id\":5,\"state\":\"STATE_OPEN\",\"usage\":{\"table_count\":1,"
            "\"live_record_count\":6170,\"live_bytes\":1024,\"allocated_bytes\":67108864,"
            "\"oldest_append_time\":\"2023-11-14T22:13:20.123Z\",\"damaged_range_count\":0}}\n"
            "{\"region_id\":\"18446744073709551615\",\"state\":\"STATE_BROKEN\","
            "\"error\":{\"code\":\"DATA_LOSS\",\"reason\":\"CORRUPTION\","
            "\"metadata\":{\"file\":\"1/seg_0\"},\"message\":\"a hole\"}}\n");
}

TEST_F(LookTest, ARegionIsDescribed) {
  daemon_.AddRecords(5, 7, {"x", "y", "z"});
  ASSERT_EQ(Run({"mark-deleted", "-r", "5", "-t", "7", "--through", "1"}).exit_code, 0);
  const Outcome outcome = Run({"describe", "-r", "5"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  for (const char* part :
       {"region 5: open, engine fake", "torn tail of 12 bytes, kept in 1/torn",
        "table  kind  live  next  deleted through\n    7  log   2..3     4                1",
        "seg_0     64.0 MiB  1.0 KiB       1..3            0"}) {
    EXPECT_NE(outcome.out.find(part), std::string::npos) << outcome.out;
  }
  EXPECT_EQ(
      nlohmann::json::parse(Run({"describe", "-r", "5", "--json"}).out)["segments"][0]["file"],
      "seg_0");
}

TEST_F(LookTest, ATablesPositionIsTold) {
  daemon_.AddRecords(5, 7, {"x", "y"});
  EXPECT_EQ(Run({"describe", "-r", "5", "-t", "7"}).out, "first 1, next 3, deleted through 0\n");
  EXPECT_EQ(Run({"describe", "-r", "5", "-t", "8", "--json"}).out,
            "{\"first_live_sequence\":1,\"next_sequence\":1,\"deleted_through\":0,\"durable_"
            "through\":0}\n");
}

TEST_F(LookTest, ARegionThatDoesNotExistIsExitCode7) {
  EXPECT_EQ(Run({"describe", "-r", "5"}).exit_code, 7);
}

TEST_F(LookTest, AReadOfARegionThatDoesNotExistIsExitCode7AndSaysSo) {
  const Outcome outcome = Run({"read", "-r", "5", "-t", "1"});
  EXPECT_EQ(outcome.exit_code, 7);
  EXPECT_NE(outcome.err.find("NOT_FOUND"), std::string::npos) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  daemon_.AddRecords(5, 2, {"x"});
  EXPECT_EQ(Run({"read", "-r", "5", "-t", "1"}).exit_code, 0);
}

TEST_F(LookTest, StatusIsOneScreen) {
  daemon_.AddRecords(5, 1, {"x"});
  const Outcome outcome = Run({"status", "--interval", "1ms"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  for (const char* part : {"waldend 0.0.0-fake at ", ": SERVING, up 1h1m1s\n",
                           "appends  0.0 records/s", "namespace  engine", "no problems\n"}) {
    EXPECT_NE(outcome.out.find(part), std::string::npos) << outcome.out;
  }
  daemon_.SetServing(false);
  EXPECT_NE(Run({"status", "--interval", "1ms"}).out.find("1 problem:\n  the daemon is starting"),
            std::string::npos);
  const auto json = nlohmann::json::parse(Run({"status", "--interval", "1ms", "--json"}).out);
  EXPECT_EQ(json["health"], "NOT_SERVING");
  EXPECT_EQ(json["namespaces"][0]["open_regions"], 1);
}

TEST_F(LookTest, ANamespaceIsGivenByIdOrByName) {
  daemon_.AddRecords(5, 1, {"x"});
  const std::string listed = Run({"regions", "--namespace", "1"}).out;
  EXPECT_NE(listed, "");
  EXPECT_EQ(Run({"regions", "--namespace", "default"}).out, listed);
  const Outcome unknown = Run({"regions", "--namespace", "defualt"});
  EXPECT_EQ(unknown.exit_code, 7);
  EXPECT_NE(unknown.err.find("no namespace \"defualt\", did you mean default?"), std::string::npos)
      << unknown.err;
}

TEST_F(LookTest, NamespacesOfAllPagesAreListedAndFound) {
  daemon_.SetNamespaces({"default", "manifest", "archive"});
  EXPECT_EQ(Run({"namespaces"}).out,
            "namespace  name      engine  regions\n"
            "        1  default   fake          2  default\n"
            "        2  manifest  fake          2\n"
            "        3  archive   fake          2\n");
  EXPECT_EQ(Run({"regions", "--namespace", "archive"}).exit_code, 0);
}

TEST_F(LookTest, InfoHasVersionEnginesAndLimits) {
  const std::string out = Run({"info"}).out;
  for (const char* part :
       {"waldend                0.0.0-fake\n", "commit                 1a2b3c4\n",
        "started                2023-11-14T22:13:20Z\n", "engines                fake\n",
        "most per batch         10,000 records, 16.0 MiB, 256 tables\n",
        "most per payload       1.0 MiB\n", "most per key           no limit\n",
        "most per message       no limit, 1,000 appends, 64.0 MiB when parsed\n"}) {
    EXPECT_NE(out.find(part), std::string::npos) << out;
  }
  const auto json = nlohmann::json::parse(Run({"info", "--json"}).out);
  EXPECT_EQ(json["limits"]["max_batch_bytes"], 16 << 20);
  EXPECT_EQ(json["start_time"], "2023-11-14T22:13:20Z");
}

TEST_F(LookTest, StatisticsSyncAndCloseAnswer) {
  EXPECT_NE(Run({"stats"}).out.find("open regions      7\n"), std::string::npos)
      << Run({"stats"}).out;
  EXPECT_EQ(Run({"sync", "-r", "5"}).exit_code, 0);
  EXPECT_EQ(Run({"close", "-r", "5"}).out, "region 5: closed\n");
  EXPECT_EQ(Run({"close", "-r", "5", "--json"}).out, "{\"was_open\":true}\n");
}

TEST_F(LookTest, ASoundRegionVerifies) {
  const Outcome outcome = Run({"verify", "-r", "5"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "region 5: sound, 4 records, 100 B checked\n");
}

TEST_F(LookTest, DamageInAnyRegionIsToldAndIsExitCode4) {
  daemon_.AddRecords(5, 1, {"x"});
  daemon_.AddRecords(6, 1, {"x"});
  daemon_.DamageRegion(5);
  const Outcome outcome = Run({"verify"});
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_EQ(outcome.out,
            "region 5: damaged: 1/seg_0: bytes [8, 28), sequence 3..5: checksum differs\n"
            "region 5: 1 damaged range, 4 records, 100 B checked\n"
            "region 6: sound, 4 records, 100 B checked\n");
  EXPECT_NE(outcome.err.find("DAMAGE_FOUND"), std::string::npos) << outcome.err;
}

TEST_F(LookTest, VerificationEndsWithItsSummaryInJson) {
  EXPECT_EQ(Run({"verify", "-r", "5", "--json"}).out,
            "{\"region_id\":5,\"summary\":{\"checked_bytes\":100,\"checked_record_count\":4,"
            "\"finding_count\":0}}\n");
}

TEST_F(LookTest, AVerificationThatIsCutIsExitCode4) {
  daemon_.SetStreamFault(FakeWalden::StreamFault::kNoSummary);
  const Outcome cut = Run({"verify", "-r", "5"});
  EXPECT_EQ(cut.exit_code, 4);
  EXPECT_NE(cut.err.find("the verification was cut"), std::string::npos) << cut.err;
  daemon_.SetStreamFault(FakeWalden::StreamFault::kWrongCount);
  const Outcome wrong = Run({"verify", "-r", "5"});
  EXPECT_EQ(wrong.exit_code, 4);
  EXPECT_NE(wrong.err.find("the summary says 1 finding, but 0 findings came"), std::string::npos)
      << wrong.err;
}

TEST_F(LookTest, DroppingNeedsYesWhereNobodyCanBeAsked) {
  daemon_.AddRecords(5, 1, {"x"});
  EXPECT_EQ(Run({"drop", "-r", "5"}).exit_code, 2);
  EXPECT_TRUE(daemon_.HasRegion(5));
  EXPECT_EQ(Run({"drop", "-r", "5", "--yes"}).out, "region 5: dropped\n");
  EXPECT_FALSE(daemon_.HasRegion(5));
  EXPECT_EQ(Run({"drop", "-r", "5", "--yes"}).out, "region 5: did not exist\n");
}

TEST_F(LookTest, TheAddressMayComeFromTheEnvironmentAndTheCommandLineWins) {
  const std::string variable = "WALDEN_ADDRESS=" + daemon_.address();
  EXPECT_EQ(WaldenProcess({"stats"}, {variable}).Wait().exit_code, 0);
  EXPECT_EQ(WaldenProcess({"-a", daemon_.address(), "stats"}, {"WALDEN_ADDRESS=unix:/nowhere"})
                .Wait()
                .exit_code,
            0);
  EXPECT_EQ(WaldenProcess({"stats"}, {"WALDEN_ADDRESS=unix:/nowhere"}).Wait().exit_code, 3);
}

TEST(CommandLine, WrongUsageIsExitCode2AndOneClearLine) {
  const std::pair<Strings, std::string> cases[] = {
      {{}, "walden: A subcommand is required"},
      {{"regoins"}, "walden: unknown command regoins, did you mean regions?"},
      {{"regions", "--jsn"}, "walden regions: unknown option --jsn, did you mean --json?"},
      {{"append", "-r", "1", "-t", "1", "--btach-records=3", "x"},
       "walden append: unknown option --btach-records, did you mean --batch-records?"},
      {{"--adress", "unix:/s", "regions"},
       "walden: unknown option --adress, did you mean --address?"},
      {{"stats", "7"}, "walden stats: unexpected argument 7\n"},
      {{"stats", "[7]"}, "walden stats: unexpected argument [7]\n"},
      {{"append", "-r", "[1]", "-t", "1"}, "--region: \"[1]\" is not a number"},
      {{"append", "-t", "1"}, "walden append: --region is required"},
      {{"append", "-r", "-1", "-t", "1"}, "--region: \"-1\" is not a number"},
      {{"append", "-r", "1", "-t", "18446744073709551616"}, "--table: "},
      {{"append", "-r", "1", "-t", "1", "--batch-bytes", "1MB"}, "such as 4096, 64KiB or 1MiB"},
      {{"append", "-r", "1", "-t", "1", "--sync", "--buffered"}, "--sync excludes --buffered"},
      {{"append", "-r", "1", "-t", "1", "--producer-start", "2"},
       "--producer-start requires --producer"},
      {{"stats", "--timeout", "10"}, "is not a duration"},
      {{"stats", "--namespace", "256"}, "is not a number from 1 to 255"},
      {{"stats", "--namespace", "No Name"}, "is not a namespace's name"},
      {{"stats", "--address", "nowhere"}, "the port is missing"},
      {{"stats", "--address", "host:0"}, "the port is not 1 to 65535"},
      {{"stats", "--address", "unix:"}, "the path is missing"},
      {{"bench", "--seconds", "fast"}, "is not a duration"},
      {{"migrate", "--data-dir", "d", "--namespace", "default", "--to", "rockdb"},
       "--to: \"rockdb\" is not one of segment, rocksdb, did you mean rocksdb?"},
      {{"import", "horaedb-locl", "d", "--data-dir", "d", "--namespace", "default"},
       "format: \"horaedb-locl\" is not horaedb-local, did you mean horaedb-local?"},
      {{"restore", "d", "--data-dir", "d", "--namespace", "No Name"}, "is not a namespace's name"},
      {{"inspect"}, "give the directory, or --data-dir and --namespace"},
      {{"inspect", "--data-dir", "d"}, "--data-dir requires --namespace"},
      {{"inspect", "d", "--data-dir", "d", "--namespace", "1"}, "directory excludes --data-dir"},
  };
  for (const auto& [arguments, message] : cases) {
    const Outcome outcome = RunWalden(arguments);
    EXPECT_EQ(outcome.exit_code, 2) << message;
    EXPECT_NE(outcome.err.find(message), std::string::npos) << outcome.err;
    EXPECT_EQ(outcome.out, "");
  }
}

TEST(CommandLine, EveryCommandExplainsItselfWithExamplesAndExitCodes) {
  for (const char* command : {"append", "read", "tail", "mark-deleted", "fence", "info", "recover",
                              "namespaces", "regions", "describe", "verify", "sync", "close",
                              "drop", "stats", "status", "health", "inspect", "bench"}) {
    const Outcome outcome = RunWalden({command, "--help"});
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_NE(outcome.out.find("Examples:\n"), std::string::npos) << command;
    EXPECT_NE(outcome.out.find("walden " + std::string(command)), std::string::npos) << command;
    EXPECT_NE(outcome.out.find("Exit codes:\n"), std::string::npos) << command;
  }
  EXPECT_THAT(RunWalden({"--version"}).out,
              testing::MatchesRegex("walden [0-9.]+ \\([0-9a-zA-Z.-]+\\)\n"));
}

TEST(CommandLine, AnUnreachableDaemonIsExitCode3WithAHint) {
  const Outcome outcome = RunWalden({"stats", "--address", "unix:/nowhere/at/all"});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_NE(outcome.err.find("is waldend running at unix:/nowhere/at/all?"), std::string::npos)
      << outcome.err;
}

}  // namespace
}  // namespace walden::cli
