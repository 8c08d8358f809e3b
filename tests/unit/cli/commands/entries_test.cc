// `walden put`, `scan` and `flush`, the real binary against a fake daemon.
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

class EntriesTest : public testing::Test {
 protected:
  Outcome Run(const std::string& command, const Strings& more, const std::string& input = "") {
    Strings arguments = {command, "--address", daemon_.address(), "-r", "1", "-t", "3"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunWalden(arguments, input);
  }

  FakeWalden daemon_;
};

TEST_F(EntriesTest, EntriesExpireAtATimeOrAfterADuration) {
  EXPECT_EQ(Run("put", {"--expires", "2100-01-01T00:00:00.5Z", "k", "v"}).exit_code, 0);
  EXPECT_EQ(Run("put", {"--expires", "7d", "k", "v"}).exit_code, 0);
  ASSERT_EQ(daemon_.Entries().size(), 2u);
  EXPECT_EQ(daemon_.Entries()[0].expire_time().seconds(), 4102444800);
  EXPECT_EQ(daemon_.Entries()[0].expire_time().nanos(), 500'000'000);
  const int64_t in_seven_days = absl::ToUnixSeconds(absl::Now() + absl::Hours(7 * 24));
  EXPECT_NEAR(static_cast<double>(daemon_.Entries()[1].expire_time().seconds()),
              static_cast<double>(in_seven_days), 3600);
  for (const char* wrong : {"soon", "-1s", "1700000000000"}) {
    EXPECT_EQ(Run("put", {"--expires", wrong, "k", "v"}).exit_code, 2) << wrong;
  }
}

TEST_F(EntriesTest, AKeyOrValueInBracketsIsPutAsItIs) {
  EXPECT_EQ(Run("put", {"k", "[1,2]", "[a]", "[]"}).exit_code, 0);
  ASSERT_EQ(daemon_.Entries().size(), 2u);
  EXPECT_EQ(daemon_.Entries()[0].value(), "[1,2]");
  EXPECT_EQ(daemon_.Entries()[1].key(), "[a]");
  EXPECT_EQ(daemon_.Entries()[1].value(), "[]");
}

TEST_F(EntriesTest, WhatFlushPrintsCanBePutAgain) {
  const std::string line =
      "{\"key\":\"k\",\"value\":\"v\",\"create_time\":\"2026-11-30T15:04:05.5Z\"}\n";
  EXPECT_EQ(Run("put", {}, line).exit_code, 0);
  EXPECT_EQ(Run("flush", {"--json"}).out,
            "{\"key\":\"k\",\"value\":\"v\",\"tombstone\":false,"
            "\"create_time\":\"2026-11-30T15:04:05.5Z\",\"sequence\":1}\n"
            "{\"flush_id\":99,\"entry_count\":1,\"entry_bytes\":2}\n");
}

TEST_F(EntriesTest, AScanThatIsCutOrCountsOtherEntriesIsExitCode4) {
  EXPECT_EQ(Run("put", {"a", "1", "b", "2"}).exit_code, 0);
  EXPECT_EQ(Run("scan", {}).out, "a\t1\nb\t2\n");
  daemon_.SetStreamFault(FakeWalden::StreamFault::kNoSummary);
  const Outcome cut = Run("scan", {});
  EXPECT_EQ(cut.exit_code, 4);
  EXPECT_NE(cut.err.find("the stream was cut after 2 entries"), std::string::npos) << cut.err;
  daemon_.SetStreamFault(FakeWalden::StreamFault::kWrongCount);
  EXPECT_EQ(Run("scan", {}).exit_code, 4);
}

TEST_F(EntriesTest, AFlushThatIsCutOrCountsOtherEntriesIsNotFinalized) {
  EXPECT_EQ(Run("put", {"a", "1"}).exit_code, 0);
  for (const auto fault :
       {FakeWalden::StreamFault::kNoSummary, FakeWalden::StreamFault::kWrongCount}) {
    daemon_.SetStreamFault(fault);
    const Outcome outcome = Run("flush", {"--finalize"});
    EXPECT_EQ(outcome.exit_code, 4);
    EXPECT_NE(outcome.err.find("do not finalize it"), std::string::npos) << outcome.err;
  }
}

}  // namespace
}  // namespace walden::cli
