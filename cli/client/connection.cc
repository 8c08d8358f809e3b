#include "cli/client/connection.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/console/failure.h"
#include "cli/console/units.h"
#include "grpcpp/support/channel_arguments.h"

namespace walden::cli {
namespace {

grpc::ChannelArguments ChannelOptions() {
  grpc::ChannelArguments options;
  // The daemon bounds its messages; a limit here could only refuse what it already sent.
  options.SetMaxReceiveMessageSize(-1);
  options.SetMaxSendMessageSize(-1);
  // A log daemon is next door: never through a web proxy.
  options.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  options.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  options.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 2000);
  options.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  return options;
}

}  // namespace

absl::Status CheckAddress(absl::string_view address) {
  const auto refuse = [address](absl::string_view why) {
    return Failure(absl::StatusCode::kInvalidArgument, "INVALID_FIELD",
                   absl::StrCat("--address \"", address, "\": ", why,
                                "; give host:port (127.0.0.1:7070) or unix:/path"));
  };
  if (absl::StartsWith(address, "unix:")) {
    return address.size() > 5 ? absl::OkStatus() : refuse("the path is missing");
  }
  const size_t colon = address.rfind(':');
  if (colon == absl::string_view::npos || colon == 0) return refuse("the port is missing");
  const auto port = ParseNumber(address.substr(colon + 1));
  if (!port.has_value() || *port < 1 || *port > 65535) return refuse("the port is not 1 to 65535");
  return absl::OkStatus();
}

Connection::Connection(const std::string& address, const Credentials& credentials,
                       std::optional<absl::Duration> timeout, Interrupt& interrupt)
    : timeout_(timeout),
      interrupt_(interrupt),
      channel_(MakeChannel(address, credentials, ChannelOptions())),
      wal_(v1::WalService::NewStub(channel_)),
      entries_(v1::EntryService::NewStub(channel_)),
      admin_(v1::AdminService::NewStub(channel_)),
      health_(grpc::health::v1::Health::NewStub(channel_)) {}

void Connection::SetDeadline(grpc::ClientContext& context, absl::Duration timeout) {
  context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMicroseconds(timeout));
}

void Connection::SetStreamDeadline(grpc::ClientContext& context) const {
  if (timeout_.has_value()) SetDeadline(context, *timeout_);
}

bool Connection::WaitUntilReachable(absl::Duration time) {
  constexpr absl::Duration kInterruptionCheck = absl::Milliseconds(100);
  const absl::Time deadline = absl::Now() + time;
  while (absl::Now() < deadline && !interrupt_.requested()) {
    const absl::Time until = std::min(deadline, absl::Now() + kInterruptionCheck);
    if (channel_->WaitForConnected(absl::ToChronoTime(until))) return true;
  }
  return false;
}

absl::Status Connection::Outcome(const grpc::Status& status) const {
  if (status.error_code() == grpc::StatusCode::CANCELLED && interrupt_.requested()) {
    return Failure(absl::StatusCode::kCancelled, kReasonInterrupted, "interrupted");
  }
  return FromGrpc(status);
}

}  // namespace walden::cli
