// The two servers that are compared, each in a process of its own and reached the same way.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/bench/child_process.h"
#include "tests/bench/load_client.h"
#include "tests/bench/null_server.h"
#include "tests/bench/options.h"
#include "walden/v1/admin.pb.h"

namespace walden::bench {

// Ends the server when it goes. One thread.
class ServerProcess {
 public:
  // `name` is of its files in the run's folder. The address in `null_options` is chosen here.
  static absl::StatusOr<ServerProcess> StartNull(const Options& options, const std::string& name,
                                                 NullServerOptions null_options);

  // The daemon on a data directory <run's folder>/<name>; `configuration` is YAML that is added to
  // listen address and data directory.
  static absl::StatusOr<ServerProcess> StartWalden(const Options& options, const std::string& name,
                                                   const std::string& configuration = "");

  const ChannelPtr& channel() const { return channel_; }
  const std::string& address() const { return address_; }
  pid_t pid() const { return process_.pid(); }

  // Lets it end gracefully.
  absl::Status Stop();

 private:
  ServerProcess(ChildProcess process, ChannelPtr channel, std::string address)
      : process_(std::move(process)), channel_(std::move(channel)), address_(std::move(address)) {}

  static absl::StatusOr<ServerProcess> Connect(ChildProcess process, const std::string& address);

  ChildProcess process_;
  ChannelPtr channel_;
  std::string address_;
};

// A data directory's worth of disk is given back between rounds: marks everything of the tables
// 1..`tables` of a region deleted.
absl::Status MarkAllDeleted(const ChannelPtr& channel, uint64_t region, uint64_t tables);

absl::StatusOr<v1::GetStatisticsResponse> GetStatistics(const ChannelPtr& channel);

}  // namespace walden::bench
