// `walden append` and `walden bench`, the real binary against a fake daemon.
#include <signal.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/unit/cli/commands/fake_walden.h"
#include "tests/unit/cli/commands/run_walden.h"

namespace walden::cli {
namespace {

using Strings = std::vector<std::string>;

Strings Lines(int count) {
  Strings lines;
  for (int i = 0; i < count; ++i) lines.push_back("line " + std::to_string(i));
  return lines;
}

std::string Joined(const Strings& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

class AppendTest : public testing::Test {
 protected:
  Strings Command(const Strings& more) const {
    Strings arguments = {"append", "--address", daemon_.address(), "-r", "1", "-t", "2"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  Outcome Append(const Strings& more, const std::string& input = "") {
    return RunWalden(Command(more), input);
  }

  FakeWalden daemon_;
};

TEST_F(AppendTest, EachArgumentIsARecordOfOneBatch) {
  const Outcome outcome = Append({"hello", "", "world"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "appended 3 records, sequence 1..3, durable\n");
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(daemon_.Payloads(1, 2), (Strings{"hello", "", "world"}));
  EXPECT_EQ(daemon_.BatchSizes(), std::vector<int>{3});
}

TEST_F(AppendTest, AnArgumentInBracketsIsARecordAsItIs) {
  const Strings records = {"[a,b]", "[]", "[[1,2],{\"k\":\"v\"}]", "{x}", "a,b", "[", "]"};
  EXPECT_EQ(Append(records).exit_code, 0);
  EXPECT_EQ(daemon_.Payloads(1, 2), records);
}

TEST_F(AppendTest, EveryOptionOfTheRequestArrives) {
  daemon_.OpenProducer();
  EXPECT_EQ(Append({"--producer", "77", "--batch-records", "1", "a", "b", "c", "d"}).exit_code, 0);
  const Outcome outcome = Append({"x", "--buffered", "--expect-next", "5", "--region-version", "9",
                                  "--producer", "77", "--producer-start", "5", "--namespace", "3"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "appended 1 record, sequence 5, written but not yet durable\n");
  const v1::AppendRequest request = daemon_.last_request();
  EXPECT_EQ(request.namespace_id(), 3u);
  EXPECT_EQ(request.durability(), v1::DURABILITY_BUFFERED);
  EXPECT_EQ(request.tables(0).expected_next_sequence(), 5u);
  EXPECT_EQ(request.region_version(), 9u);
  EXPECT_EQ(request.producer().producer_id(), 77u);
  EXPECT_EQ(request.producer().producer_sequence(), 5u);
}

TEST_F(AppendTest, StandardInputComesInBatchesAndInOrder) {
  const Strings lines = Lines(1000);
  const Outcome outcome = Append({"--batch-records", "64", "--sync"}, Joined(lines));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "appended 1,000 records, sequence 1..1000, durable\n");
  EXPECT_EQ(daemon_.Payloads(1, 2), lines);
  for (const int size : daemon_.BatchSizes()) EXPECT_LE(size, 64);
}

TEST_F(AppendTest, AFileOfLengthDelimitedRecordsKeepsEveryByte) {
  const std::string path = testing::TempDir() + "walden_records_" + std::to_string(getpid());
  std::ofstream(path, std::ios::binary) << std::string("\0\0\0\3a\nb\0\0\0\0\0\0\0\1\0", 16);
  const Outcome outcome = Append({"--file", path, "--length-delimited"});
  unlink(path.c_str());
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(daemon_.Payloads(1, 2), (Strings{"a\nb", "", std::string(1, '\0')}));
}

TEST_F(AppendTest, BatchesKeepToTheDaemonsLimits) {
  daemon_.SetLimits(10, 40, 20);
  const Outcome outcome = Append({"-f", "-"}, Joined(Lines(100)));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(daemon_.Payloads(1, 2), Lines(100));
  for (const int size : daemon_.BatchSizes()) EXPECT_LE(size, 6);  // 6 bytes each, 40 at most
}

TEST_F(AppendTest, ARecordAboveTheDaemonsLimitEndsTheInputAndTellsWhere) {
  daemon_.SetLimits(10, 40, 20);
  const Outcome outcome = Append({}, "short\n" + std::string(21, 'x') + "\nnever\n");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_NE(outcome.err.find("the record at byte 6 of standard input"), std::string::npos)
      << outcome.err;
  EXPECT_NE(outcome.err.find("appended 1 record, sequence 1, durable"), std::string::npos)
      << outcome.err;
  EXPECT_EQ(daemon_.Payloads(1, 2), Strings{"short"});
}

TEST_F(AppendTest, SlowInputIsAppendedAsItComes) {
  WaldenProcess process(Command({"--json"}));
  process.Feed("first\n");
  EXPECT_TRUE(process.WaitForOutput("\"first_sequence\":1"));
  process.Feed("second\n");
  EXPECT_TRUE(process.WaitForOutput("\"first_sequence\":2"));
  process.CloseInput();
  EXPECT_EQ(process.Wait().exit_code, 0);
}

TEST_F(AppendTest, CtrlCAppendsWhatWasReadAndSaysHowFarItGot) {
  WaldenProcess process(Command({"--json"}));
  process.Feed("first\n");
  EXPECT_TRUE(process.WaitForOutput("\"first_sequence\":1"));
  process.Signal(SIGINT);
  const Outcome outcome = process.Wait();
  EXPECT_EQ(outcome.exit_code, 130);
  EXPECT_NE(outcome.err.find("INTERRUPTED"), std::string::npos) << outcome.err;
  EXPECT_EQ(daemon_.Payloads(1, 2), Strings{"first"});
}

TEST_F(AppendTest, JsonTellsOfEachBatch) {
  const Outcome outcome = Append({"--json", "--batch-records", "2", "a", "b", "c"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out,
            "{\"tables\":[{\"table_id\":2,\"first_sequence\":1,\"last_sequence\":2}],"
            "\"durable\":true,\"duplicate\":false,\"record_count\":2}\n"
            "{\"tables\":[{\"table_id\":2,\"first_sequence\":3,\"last_sequence\":3}],"
            "\"durable\":true,\"duplicate\":false,\"record_count\":1}\n");
}

TEST_F(AppendTest, CompareAndAppendChainsItsBatches) {
  daemon_.AddRecords(1, 2, {"before"});
  daemon_.AddRecords(1, 3, {"another table"});
  const Outcome outcome = Append({"--expect-next", "2", "--batch-records", "1", "a", "b", "c"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(daemon_.Payloads(1, 2), (Strings{"before", "a", "b", "c"}));
}

TEST_F(AppendTest, AnUnexpectedSequenceIsExitCode5AndTellsTheActualOne) {
  daemon_.AddRecords(1, 2, {"before"});
  const Outcome outcome = Append({"--expect-next", "1", "x"});
  EXPECT_EQ(outcome.exit_code, 5);
  EXPECT_NE(outcome.err.find("ABORTED (SEQUENCE_MISMATCH)"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("actual_next_sequence=2"), std::string::npos) << outcome.err;
}

TEST_F(AppendTest, ABrokenConnectionWithoutProducerIsNotRetriedAndTellsWhatIsUncertain) {
  daemon_.BreakStreamsAfter(3, 1);
  const Outcome outcome = Append({"--batch-records", "1", "--in-flight", "1"}, Joined(Lines(10)));
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_NE(outcome.err.find("appended 2 records, sequence 1..2, durable, 1 batch sent "
                             "that may or may not be stored"),
            std::string::npos)
      << outcome.err;
  EXPECT_EQ(daemon_.Payloads(1, 2), Lines(3));
}

TEST_F(AppendTest, SmallBatchesThatComeWhileOthersAreInFlightShareAMessage) {
  daemon_.HoldFirstAnswers();
  const Outcome outcome = Append({"--batch-records", "1", "--in-flight", "8"}, Joined(Lines(8)));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "appended 8 records, sequence 1..8, durable\n");
  EXPECT_EQ(daemon_.MessageSizes(), (std::vector<int>{1, 7}));
  EXPECT_EQ(daemon_.Payloads(1, 2), Lines(8));
}

TEST_F(AppendTest, LargeBatchesAreMessagesOfTheirOwn) {
  daemon_.HoldFirstAnswers();
  const std::string large(140'000, 'x');
  const Outcome outcome = Append({"--batch-records", "1"}, Joined({large, large, "small"}));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(daemon_.MessageSizes(), (std::vector<int>{1, 1, 1}));
}

TEST_F(AppendTest, AFailedWriteWithoutProducerTellsThatTheBatchMayBeStored) {
  daemon_.RefuseAppendsFromBatch(2, RefusalOf(grpc::StatusCode::UNAVAILABLE, "WRITE_FAILED"));
  const Outcome outcome = Append({"--batch-records", "1", "--in-flight", "1"}, Joined(Lines(10)));
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_NE(outcome.err.find("appended 2 records, sequence 1..2, durable, 1 batch sent that may or "
                             "may not be stored; then: "),
            std::string::npos)
      << outcome.err;
  EXPECT_NE(outcome.err.find("hint: whether the batch is stored is unknown"), std::string::npos)
      << outcome.err;
}

TEST_F(AppendTest, WithAProducerAFailedWriteIsSentAgain) {
  daemon_.RefuseNextAppends(3, RefusalOf(grpc::StatusCode::UNAVAILABLE, "WRITE_FAILED"));
  const Outcome outcome = Append({"--batch-records", "1", "--retry-for", "1m"}, Joined(Lines(10)));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(daemon_.Payloads(1, 2), Lines(10));
}

TEST_F(AppendTest, WithAProducerBrokenConnectionsLoseAndRepeatNothing) {
  daemon_.BreakStreamsAfter(7, 20);
  const Outcome outcome = Append({"--batch-records", "3", "--in-flight", "8", "--retry-for", "1m"},
                                 Joined(Lines(1000)));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("appended 1,000 records"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("batches had been stored before"), std::string::npos) << outcome.out;
  EXPECT_EQ(daemon_.Payloads(1, 2), Lines(1000));
}

TEST_F(AppendTest, WithAProducerADaemonThatComesBackIsWaitedFor) {
  WaldenProcess process(Command({"--retry-for", "1m", "--json"}));
  process.Feed("before\n");
  EXPECT_TRUE(process.WaitForOutput("\"first_sequence\":1"));
  daemon_.Stop();
  process.Feed("while it is away\n");
  usleep(100'000);
  daemon_.Start();
  process.Feed("after\n");
  process.CloseInput();
  const Outcome outcome = process.Wait();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(daemon_.Payloads(1, 2), (Strings{"before", "while it is away", "after"}));
}

TEST_F(AppendTest, WithAProducerAFullQueueIsWaitedFor) {
  daemon_.RefuseNextAppends(5, RefusalOf(grpc::StatusCode::RESOURCE_EXHAUSTED, "MAILBOX_FULL"));
  const Outcome outcome =
      Append({"--in-flight", "1", "--batch-records", "2", "--retry-for", "1m"}, Joined(Lines(10)));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(daemon_.Payloads(1, 2), Lines(10));
}

TEST_F(AppendTest, ARefusedBatchAndThoseInFlightBehindItAreSentAgainInOrder) {
  daemon_.RefuseAppendsFromBatch(3, RefusalOf(grpc::StatusCode::RESOURCE_EXHAUSTED, "DISK_FULL"));
  WaldenProcess process(Command({"--batch-records", "1", "--retry-for", "1m"}));
  process.Feed(Joined(Lines(10)));
  process.CloseInput();
  while (daemon_.Payloads(1, 2).size() < 3) usleep(1000);
  usleep(50'000);
  daemon_.RefuseNextAppends(0, grpc::Status::OK);
  const Outcome outcome = process.Wait();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(daemon_.Payloads(1, 2), Lines(10));
}

TEST_F(AppendTest, OpenProducerPrintsAnIdThatAppendsTheSameBatchesOnce) {
  const Outcome opened =
      RunWalden({"open-producer", "--address", daemon_.address(), "--region", "1"});
  EXPECT_EQ(opened.exit_code, 0) << opened.err;
  EXPECT_EQ(opened.out, "77\n");
  for (int i = 0; i < 2; ++i) {
    const Outcome outcome = Append({"--batch-records", "1", "--producer", "77", "a", "b", "c"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  }
  EXPECT_EQ(daemon_.Payloads(1, 2), (Strings{"a", "b", "c"}));
}

TEST_F(AppendTest, AProducerThatSkipsANumberIsToldWhichComesNext) {
  daemon_.OpenProducer();
  const Outcome outcome = Append({"--producer", "77", "--producer-start", "3", "a"});
  EXPECT_EQ(outcome.exit_code, 5);
  EXPECT_NE(outcome.err.find("PRODUCER_OUT_OF_ORDER"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("next batch is number 1"), std::string::npos) << outcome.err;
}

TEST_F(AppendTest, AProducerThatWasNotIssuedIsRefused) {
  const Outcome outcome = Append({"--producer", "5", "a"});
  EXPECT_EQ(outcome.exit_code, 5);
  EXPECT_NE(outcome.err.find("walden open-producer"), std::string::npos) << outcome.err;
}

TEST_F(AppendTest, RetryingEndsWhenItsTimePassesWithoutProgress) {
  daemon_.RefuseAppendsFromBatch(2, RefusalOf(grpc::StatusCode::RESOURCE_EXHAUSTED, "DISK_FULL"));
  const Outcome outcome = Append(
      {"--batch-records", "1", "--in-flight", "1", "--retry-for", "300ms"}, Joined(Lines(5)));
  EXPECT_EQ(outcome.exit_code, 6);
  EXPECT_NE(outcome.err.find("DISK_FULL"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("appended 2 records"), std::string::npos) << outcome.err;
  EXPECT_EQ(daemon_.Payloads(1, 2), Lines(2));
}

TEST_F(AppendTest, ARefusalThatRetryingCannotMendIsNotRetried) {
  daemon_.RefuseAppendsFromBatch(0, RefusalOf(grpc::StatusCode::FAILED_PRECONDITION, "FENCED",
                                              {{"highest_region_version", "8"}}));
  const Outcome outcome = Append({"x", "--retry-for", "1m", "--region-version", "7", "--json"});
  EXPECT_EQ(outcome.exit_code, 5);
  const auto error = nlohmann::json::parse(outcome.err)["error"];
  EXPECT_EQ(error["reason"], "FENCED");
  EXPECT_EQ(error["metadata"]["highest_region_version"], "8");
}

TEST_F(AppendTest, EmptyInputAppendsNothing) {
  const Outcome outcome = Append({}, "");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "appended 0 records\n");
  EXPECT_FALSE(daemon_.HasRegion(1));
}

TEST_F(AppendTest, AFileThatIsNotThereIsWrongUsage) {
  const Outcome outcome = Append({"--file", "/nonexistent/records"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_NE(outcome.err.find("/nonexistent/records: No such file"), std::string::npos)
      << outcome.err;
}

class BenchTest : public AppendTest {
 protected:
  Outcome Bench(const Strings& more) {
    Strings arguments = {"bench", "--address", daemon_.address(), "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunWalden(arguments);
  }
};

TEST_F(BenchTest, UnaryLoadOfExactlySoManyRecordsInAFreshRegionThatIsDropped) {
  const Outcome outcome = Bench({"--records", "500", "--in-flight", "8", "--payload-bytes", "10"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto result = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(result["rpc"], "Append");
  EXPECT_EQ(result["records"], 500);
  EXPECT_EQ(result["total_payload_bytes"], 5000);
  EXPECT_LE(result["latency_micros"]["p50"], result["latency_micros"]["p99"]);
  EXPECT_LE(result["latency_micros"]["p99_9"], result["latency_micros"]["max"]);
  EXPECT_EQ(daemon_.BatchSizes().size(), 500u);
  EXPECT_FALSE(daemon_.HasRegion(std::stoull(result["region_id"].get<std::string>())));
}

TEST_F(BenchTest, StreamedLoadOverSeveralTablesOfAGivenRegionThatStays) {
  const Outcome outcome = Bench({"--stream", "--records", "1000", "--batch-records", "50",
                                 "--tables", "4", "--region", "9", "--buffered"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto result = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(result["rpc"], "AppendStream");
  EXPECT_EQ(result["batches"], 20);
  EXPECT_EQ(daemon_.MessageSizes().front(), 5);  // of 50 KiB each, 256 KiB at most
  EXPECT_TRUE(daemon_.HasRegion(9));
  EXPECT_EQ(daemon_.Payloads(9, 4).size(), 250u);
}

TEST_F(BenchTest, TimeAndBytesBoundItToo) {
  EXPECT_EQ(Bench({"--seconds", "100ms"}).exit_code, 0);
  const Outcome outcome = Bench({"--max-bytes", "64KiB", "--seconds", "60", "--in-flight", "4"});
  EXPECT_EQ(nlohmann::json::parse(outcome.out)["records"], 64);
}

TEST_F(BenchTest, ARefusedAppendEndsItWithTheReason) {
  for (const Strings& kind : {Strings{}, Strings{"--stream"}}) {
    daemon_.RefuseAppendsFromBatch(10,
                                   RefusalOf(grpc::StatusCode::RESOURCE_EXHAUSTED, "DISK_FULL"));
    const Outcome outcome = Bench(kind);
    EXPECT_EQ(outcome.exit_code, 6);
    EXPECT_NE(outcome.err.find("DISK_FULL"), std::string::npos) << outcome.err;
  }
}

TEST_F(BenchTest, CtrlCEndsItAndStillDropsItsRegion) {
  WaldenProcess process({"bench", "--address", daemon_.address(), "--seconds", "60", "--json"});
  while (daemon_.BatchSizes().size() < 100) usleep(1000);
  process.Signal(SIGINT);
  const Outcome outcome = process.Wait();
  EXPECT_EQ(outcome.exit_code, 130);
  const auto region = nlohmann::json::parse(outcome.out)["region_id"];
  EXPECT_FALSE(daemon_.HasRegion(region.is_string() ? std::stoull(region.get<std::string>())
                                                    : region.get<uint64_t>()));
}

}  // namespace
}  // namespace walden::cli
