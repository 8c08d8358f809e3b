// `walden append --batches`, the real binary against a fake daemon.
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/unit/cli/commands/fake_walden.h"
#include "tests/unit/cli/commands/run_walden.h"

namespace walden::cli {
namespace {

using Strings = std::vector<std::string>;

constexpr char kTwoTables[] = R"([{"table":2,"payload":"a"},{"table":3,"payload":"b"}])";

class AppendBatchesTest : public testing::Test {
 protected:
  Outcome Append(const Strings& more, const std::string& input = "") {
    Strings arguments = {"append", "--address", daemon_.address(), "-r", "1", "--batches"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunWalden(arguments, input);
  }

  // `count` batches, each with its number for tables 2 and 3.
  static std::string Batches(int count) {
    std::string lines;
    for (int i = 0; i < count; ++i) {
      const std::string number = std::to_string(i);
      lines += "[{\"table\":2,\"payload\":\"" + number + "\"},{\"table\":3,\"payload\":\"" +
               number + "\"}]\n";
    }
    return lines;
  }
  static Strings Numbers(int count) {
    Strings numbers;
    for (int i = 0; i < count; ++i) numbers.push_back(std::to_string(i));
    return numbers;
  }

  FakeWalden daemon_;
};

TEST_F(AppendBatchesTest, AnArgumentIsOneBatchOverItsTables) {
  const Outcome outcome =
      Append({R"([{"table":2,"payload":"a"},{"table":3,"payload":"b"},{"table":2,"payload":"c"}])",
              "--sync", "--region-version", "4"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out,
            "appended 3 records to 2 tables, durable\n"
            "table 2: sequence 1..2\n"
            "table 3: sequence 3\n");
  EXPECT_EQ(daemon_.Payloads(1, 2), (Strings{"a", "c"}));
  EXPECT_EQ(daemon_.Payloads(1, 3), Strings{"b"});
  EXPECT_EQ(daemon_.BatchSizes(), std::vector<int>{3});
  EXPECT_EQ(daemon_.last_request().durability(), v1::DURABILITY_SYNC);
  EXPECT_EQ(daemon_.last_request().region_version(), 4u);
}

TEST_F(AppendBatchesTest, EachLineOfTheInputIsABatch) {
  const Outcome outcome = Append({"--buffered"}, Batches(100));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out,
            "appended 200 records to 2 tables, written but not yet durable\n"
            "table 2: sequence 1..199\n"
            "table 3: sequence 2..200\n");
  EXPECT_EQ(daemon_.Payloads(1, 2), Numbers(100));
  EXPECT_EQ(daemon_.Payloads(1, 3), Numbers(100));
  EXPECT_EQ(daemon_.BatchSizes(), std::vector<int>(100, 2));
}

TEST_F(AppendBatchesTest, JsonHasTheNumbersOfEachTable) {
  const Outcome outcome = Append({"--json", kTwoTables, kTwoTables});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out,
            "{\"tables\":[{\"table_id\":2,\"first_sequence\":1,\"last_sequence\":1},"
            "{\"table_id\":3,\"first_sequence\":2,\"last_sequence\":2}],"
            "\"durable\":true,\"duplicate\":false,\"record_count\":2}\n"
            "{\"tables\":[{\"table_id\":2,\"first_sequence\":3,\"last_sequence\":3},"
            "{\"table_id\":3,\"first_sequence\":4,\"last_sequence\":4}],"
            "\"durable\":true,\"duplicate\":false,\"record_count\":2}\n");
}

TEST_F(AppendBatchesTest, WhatReadPrintsCanBeAppendedAgain) {
  daemon_.AddRecords(9, 2, {"one", "\xFF\xFE"});
  const Outcome read =
      RunWalden({"read", "--address", daemon_.address(), "-r", "9", "-t", "2", "--json"});
  EXPECT_EQ(Append({}, read.out).exit_code, 0);
  EXPECT_EQ(daemon_.Payloads(1, 2), (Strings{"one", "\xFF\xFE"}));
}

TEST_F(AppendBatchesTest, WithAProducerBrokenConnectionsLoseAndRepeatNothing) {
  daemon_.BreakStreamsAfter(7, 20);
  const Outcome outcome = Append({"--in-flight", "8", "--retry-for", "1m"}, Batches(300));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("appended 600 records to 2 tables, durable"), std::string::npos)
      << outcome.out;
  EXPECT_NE(outcome.out.find("had been stored before"), std::string::npos) << outcome.out;
  EXPECT_EQ(daemon_.Payloads(1, 2), Numbers(300));
  EXPECT_EQ(daemon_.Payloads(1, 3), Numbers(300));
}

TEST_F(AppendBatchesTest, TheSameProducerStoresTheSameBatchesOnce) {
  daemon_.OpenProducer();
  for (int i = 0; i < 2; ++i) {
    const Outcome outcome = Append({"--producer", "77", "--json"}, Batches(3));
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_NE(outcome.out.find("\"producer_sequence\":3}"), std::string::npos) << outcome.out;
  }
  EXPECT_EQ(daemon_.Payloads(1, 3), Numbers(3));
}

TEST_F(AppendBatchesTest, ABadBatchEndsTheInputAndSaysWhere) {
  const Outcome outcome = Append({}, Batches(2) + "{\"payload\":\"x\"}\n" + Batches(1));
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_NE(outcome.err.find("appended 4 records to 2 tables, durable; then: standard input, line "
                             "3: a record has no \"table\""),
            std::string::npos)
      << outcome.err;
  EXPECT_EQ(daemon_.Payloads(1, 2), Numbers(2));
  const Outcome argument = Append({kTwoTables, "hello"});
  EXPECT_NE(argument.err.find("argument 2: not a batch such as [{"), std::string::npos)
      << argument.err;
}

TEST_F(AppendBatchesTest, ALineMayBeLongerThanARecordAndIsBoundedByTheBatch) {
  daemon_.SetLimits(/*batch_records=*/10'000, /*batch_bytes=*/1u << 20, /*payload_bytes=*/1000);
  const std::string payload(900, 'x');
  const std::string record = "{\"table\":2,\"payload\":\"" + payload + "\"}";
  const Outcome outcome = Append({}, "[" + record + "," + record + "]\n");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(daemon_.Payloads(1, 2), Strings(2, payload));
}

TEST_F(AppendBatchesTest, OptionsOfOneTableAreRefused) {
  for (const Strings& wrong :
       {Strings{"-t", "2"}, Strings{"--length-delimited"}, Strings{"--batch-records", "3"},
        Strings{"--batch-bytes", "1KiB"}, Strings{"--expect-next", "1"}}) {
    const Outcome outcome = Append(wrong, Batches(1));
    EXPECT_EQ(outcome.exit_code, 2) << wrong[0];
    EXPECT_NE(outcome.err.find("--batches"), std::string::npos) << outcome.err;
  }
  const Outcome neither = RunWalden({"append", "--address", daemon_.address(), "-r", "1", "x"});
  EXPECT_EQ(neither.exit_code, 2);
  EXPECT_NE(neither.err.find("give --table, or --batches"), std::string::npos) << neither.err;
  EXPECT_FALSE(daemon_.HasRegion(1));
}

}  // namespace
}  // namespace walden::cli
