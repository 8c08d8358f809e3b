// The way to the daemon.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "cli/client/credentials.h"
#include "cli/console/interrupt.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "walden/v1/admin.grpc.pb.h"
#include "walden/v1/entry.grpc.pb.h"
#include "walden/v1/wal.grpc.pb.h"

namespace walden::cli {

// INVALID_ARGUMENT unless it is "host:port" or "unix:/path".
absl::Status CheckAddress(absl::string_view address);

// The client takes messages of this size, which hold any record that a daemon stores.
inline constexpr uint64_t kMaxMessageBytes = uint64_t{512} << 20;

// One gRPC channel, connected at the first call. Safe from any thread.
class Connection {
 public:
  // `timeout`: of each call; nullopt = kShortCallTimeout for calls with one answer, none for
  // streams. `interrupt` must outlive this.
  Connection(const std::string& address, const Credentials& credentials,
             std::optional<absl::Duration> timeout, Interrupt& interrupt);

  v1::WalService::Stub& wal() { return *wal_; }
  v1::EntryService::Stub& entries() { return *entries_; }
  v1::AdminService::Stub& admin() { return *admin_; }
  grpc::health::v1::Health::Stub& health() { return *health_; }
  Interrupt& interrupt() { return interrupt_; }

  static constexpr absl::Duration kShortCallTimeout = absl::Seconds(30);

  // A call with one answer: Unary(&AdminService::Stub::ListRegions, stub, request, &response).
  // `kToTheEnd`: also when interrupted, for tidying up.
  enum class Interruption { kCancels, kToTheEnd };
  template <typename Stub, typename Request, typename Response>
  absl::Status Unary(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                     Stub& stub, const Request& request, Response* response,
                     Interruption interruption = Interruption::kCancels) {
    grpc::ClientContext context;
    SetDeadline(context, timeout_.value_or(kShortCallTimeout));
    std::optional<Interrupt::Cancels> cancels;
    if (interruption == Interruption::kCancels) cancels.emplace(interrupt_, context);
    return Outcome((stub.*method)(&context, request, response));
  }

  // Waits until the daemon can be reached, `time` at most, and not beyond an interruption. Between
  // retries, wait here: a channel of synchronous calls connects only while somebody waits in it.
  bool WaitUntilReachable(absl::Duration time);

  // For streams; --timeout bounds the whole stream if given.
  void SetStreamDeadline(grpc::ClientContext& context) const;

  // A call's end as the client reports it: a cancellation of our own is INTERRUPTED.
  absl::Status Outcome(const grpc::Status& status) const;

 private:
  static void SetDeadline(grpc::ClientContext& context, absl::Duration timeout);

  const std::optional<absl::Duration> timeout_;
  Interrupt& interrupt_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::WalService::Stub> wal_;
  std::unique_ptr<v1::EntryService::Stub> entries_;
  std::unique_ptr<v1::AdminService::Stub> admin_;
  std::unique_ptr<grpc::health::v1::Health::Stub> health_;
};

}  // namespace walden::cli
