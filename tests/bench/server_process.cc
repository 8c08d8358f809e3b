#include "tests/bench/server_process.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <fstream>
#include <vector>

#include "absl/strings/str_cat.h"
#include "walden/v1/admin.grpc.pb.h"
#include "walden/v1/wal.grpc.pb.h"

namespace walden::bench {
namespace {

constexpr absl::Duration kStartTimeout = absl::Seconds(60);
constexpr absl::Duration kStopTimeout = absl::Seconds(30);

// A port that nobody listened on a moment ago.
absl::StatusOr<int> FindFreePort() {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return absl::ErrnoToStatus(errno, "socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  const bool found =
      bind(descriptor, any, length) == 0 && getsockname(descriptor, any, &length) == 0;
  const int error = errno;
  close(descriptor);
  if (!found) return absl::ErrnoToStatus(error, "cannot find a free port");
  return ntohs(address.sin_port);
}

absl::StatusOr<std::string> ChooseAddress(const Options& options, const std::string& name) {
  if (options.unix_socket) return absl::StrCat("unix:", options.directory, "/", name, ".sock");
  absl::StatusOr<int> port = FindFreePort();
  if (!port.ok()) return port.status();
  return absl::StrCat("127.0.0.1:", *port);
}

}  // namespace

absl::StatusOr<ServerProcess> ServerProcess::Connect(ChildProcess process,
                                                     const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 20);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 20);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 50);
  ChannelPtr channel =
      grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
  for (absl::Duration waited; waited < kStartTimeout; waited += absl::Milliseconds(100)) {
    if (absl::Status status = process.CheckRunning(); !status.ok()) return status;
    if (channel->WaitForConnected(std::chrono::system_clock::now() +
                                  std::chrono::milliseconds(100))) {
      return ServerProcess(std::move(process), std::move(channel), address);
    }
  }
  return absl::DeadlineExceededError(absl::StrCat("nobody listens on ", address, " after ",
                                                  absl::FormatDuration(kStartTimeout),
                                                  "; printed: ", process.ReadOutput()));
}

absl::StatusOr<ServerProcess> ServerProcess::StartNull(const Options& options,
                                                       const std::string& name,
                                                       NullServerOptions null_options) {
  absl::StatusOr<std::string> address = ChooseAddress(options, name);
  if (!address.ok()) return address.status();
  std::vector<std::string> arguments = {
      options.self,
      "--null-server",
      *address,
      "--null-records-per-message",
      absl::StrCat(null_options.read_records_per_message),
      "--null-payload-bytes",
      absl::StrCat(null_options.read_payload_bytes),
  };
  if (!null_options.sync_file.empty()) {
    arguments.insert(arguments.end(), {"--null-sync-file", null_options.sync_file});
  }
  absl::StatusOr<ChildProcess> process =
      ChildProcess::Start(arguments, absl::StrCat(options.directory, "/", name, ".log"));
  if (!process.ok()) return process.status();
  return Connect(*std::move(process), *address);
}

absl::StatusOr<ServerProcess> ServerProcess::StartWalden(const Options& options,
                                                         const std::string& name,
                                                         const std::string& configuration) {
  if (options.calibrate) return StartNull(options, name, {});
  absl::StatusOr<std::string> address = ChooseAddress(options, name);
  if (!address.ok()) return address.status();
  const std::string base = absl::StrCat(options.directory, "/", name);
  const std::string file = absl::StrCat(base, ".yaml");
  std::ofstream yaml(file);
  yaml << "listen: [\"" << *address << "\"]\ndata_dir: \"" << base << "\"\nmetrics:\n  listen: []\n"
       << configuration;
  yaml.close();
  if (!yaml) return absl::UnavailableError(absl::StrCat("cannot write ", file));
  absl::StatusOr<ChildProcess> process =
      ChildProcess::Start({options.waldend, "--config", file}, absl::StrCat(base, ".log"));
  if (!process.ok()) return process.status();
  return Connect(*std::move(process), *address);
}

absl::Status ServerProcess::Stop() { return process_.Terminate(kStopTimeout); }

absl::Status MarkAllDeleted(const ChannelPtr& channel, uint64_t region, uint64_t tables) {
  const auto stub = v1::WalService::NewStub(channel);
  grpc::ClientContext context;
  v1::MarkDeletedRequest request;
  v1::MarkDeletedResponse response;
  request.set_region_id(region);
  for (uint64_t table = 1; table <= tables; ++table) {
    v1::TableMark& mark = *request.add_marks();
    mark.set_table_id(table);
    mark.set_through_sequence(UINT64_MAX - 1);
  }
  const grpc::Status status = stub->MarkDeleted(&context, request, &response);
  return status.ok() ? absl::OkStatus() : ToAbsl(status);
}

absl::StatusOr<v1::GetStatisticsResponse> GetStatistics(const ChannelPtr& channel) {
  const auto stub = v1::AdminService::NewStub(channel);
  grpc::ClientContext context;
  v1::GetStatisticsResponse response;
  const grpc::Status status = stub->GetStatistics(&context, {}, &response);
  if (!status.ok()) return ToAbsl(status);
  return response;
}

}  // namespace walden::bench
