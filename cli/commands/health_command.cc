// `walden health`: for probes, and for scripts that wait for a daemon.
#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/commands/commands.h"
#include "cli/console/failure.h"
#include "nlohmann/json.hpp"

namespace walden::cli {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;
using HealthStub = grpc::health::v1::Health::Stub;

constexpr absl::Duration kBetweenQuestions = absl::Milliseconds(100);

struct HealthOptions {
  uint64_t wait_millis = 0;
};

// OK if the daemon serves; UNAVAILABLE if it does not, or cannot be reached.
absl::Status AskOnce(Session& session) {
  Connection& connection = session.connection();
  HealthCheckResponse answer;
  absl::Status asked =
      connection.Unary(&HealthStub::Check, connection.health(), HealthCheckRequest(), &answer);
  if (!asked.ok() || answer.status() == HealthCheckResponse::SERVING) return asked;
  return Failure(absl::StatusCode::kUnavailable, kReasonNotServing,
                 absl::StrCat("the daemon answers, but its health is ",
                              HealthCheckResponse::ServingStatus_Name(answer.status()),
                              ": it is starting or stopping"));
}

absl::Status Health(Session& session, const HealthOptions& options) {
  const absl::Time deadline =
      absl::Now() + absl::Milliseconds(static_cast<int64_t>(options.wait_millis));
  absl::Status health = AskOnce(session);
  while (health.code() == absl::StatusCode::kUnavailable) {
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) break;
    if (!session.interrupt().Sleep(std::min(left, kBetweenQuestions))) {
      return Failure(absl::StatusCode::kCancelled, kReasonInterrupted, "interrupted");
    }
    // A refused connection is not tried again before somebody waits for it.
    session.connection().WaitUntilReachable(std::min(left, kBetweenQuestions));
    health = AskOnce(session);
  }
  if (!health.ok()) return health;
  if (!session.json()) return session.out().Write("SERVING\n");
  Json object;
  object["status"] = "SERVING";
  return session.PrintJson(object);
}

}  // namespace

void AddHealthCommand(CommandSet& commands) {
  auto options = std::make_shared<HealthOptions>();
  Command command =
      commands.Add("health",
                   "Ask whether the daemon serves: exit code 0 if it does, 3 if not.\n"
                   "A daemon does not serve while it opens its regions, and while it stops.",
                   {"walden health --timeout 2s", "walden health --wait 1m && walden stats"});
  command.Add("--wait", options->wait_millis, "Wait until it serves, at most this long")
      .Check(Millis())
      .Value("DURATION");
  command.Runs([options](Session& session) { return Health(session, *options); });
}

}  // namespace walden::cli
