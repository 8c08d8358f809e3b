// `walden health`, as probes and scripts use it.
#include <signal.h>

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/unit/cli/commands/fake_walden.h"
#include "tests/unit/cli/commands/run_walden.h"

namespace walden::cli {
namespace {

class HealthTest : public testing::Test {
 protected:
  std::vector<std::string> Health(std::vector<std::string> options = {}) const {
    options.insert(options.begin(), {"health", "--address", daemon_.address()});
    return options;
  }

  FakeWalden daemon_;
};

TEST_F(HealthTest, ADaemonThatServesIsExitCode0) {
  const Outcome outcome = RunWalden(Health());
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "SERVING\n");
  EXPECT_EQ(RunWalden(Health({"--json"})).out, "{\"status\":\"SERVING\"}\n");
}

TEST_F(HealthTest, ADaemonThatAnswersButDoesNotServeIsExitCode3) {
  daemon_.SetServing(false);
  const Outcome outcome = RunWalden(Health());
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find("UNAVAILABLE (NOT_SERVING)"), std::string::npos) << outcome.err;
}

TEST_F(HealthTest, ADaemonThatIsNotThereIsExitCode3) {
  daemon_.Stop();
  const Outcome outcome = RunWalden(Health());
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_NE(outcome.err.find("is waldend running at"), std::string::npos) << outcome.err;
}

TEST_F(HealthTest, WaitingEndsWhenTheDaemonServes) {
  daemon_.SetServing(false);
  WaldenProcess waiting(Health({"--wait", "60s"}));
  EXPECT_TRUE(daemon_.AwaitHealthQuestions(2));
  daemon_.Stop();  // one that starts anew is waited for as well
  daemon_.SetServing(true);
  daemon_.Start();
  const Outcome outcome = waiting.Wait();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "SERVING\n");
}

TEST_F(HealthTest, WaitingInVainEndsWithTheLastAnswer) {
  daemon_.SetServing(false);
  const Outcome outcome = RunWalden(Health({"--wait", "300ms"}));
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_NE(outcome.err.find("NOT_SERVING"), std::string::npos) << outcome.err;
}

TEST_F(HealthTest, WaitingCanBeInterrupted) {
  daemon_.SetServing(false);
  WaldenProcess waiting(Health({"--wait", "60s"}));
  EXPECT_TRUE(daemon_.AwaitHealthQuestions(1));
  waiting.Signal(SIGINT);
  const Outcome outcome = waiting.Wait();
  EXPECT_EQ(outcome.exit_code, 130);
  EXPECT_EQ(outcome.out, "");
}

}  // namespace
}  // namespace walden::cli
