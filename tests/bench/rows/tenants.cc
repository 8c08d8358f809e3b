// A quiet tenant's latency beside a greedy one that is at its limits.
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/bench/figures.h"
#include "tests/bench/rows/append.h"
#include "tests/bench/rows/rows.h"
#include "tests/bench/server_process.h"

namespace walden::bench {
namespace {

constexpr uint64_t kQuietRegion = 1;
constexpr uint64_t kGreedyRegion = 2;
constexpr size_t kGreedyBatchRecords = 256;
constexpr uint64_t kGreedyInFlight = 16;
constexpr double kGreedyStartSeconds = 0.25;
constexpr double kP99 = 99;

constexpr absl::string_view kQuietToken = "walden_benchmark-of-the-quiet-tenant-0123456789abcdef";
constexpr absl::string_view kGreedyToken = "walden_benchmark-of-the-greedy-tenant-0123456789abcdef";

// With the SHA-256 of the tokens above. The greedy one always has more than its limits to send.
constexpr char kIdentities[] = R"(
- name: quiet
  token_sha256: 968e8bf697c9fc22a7ee4a91c717fe6da84981375f12bade5fae772dd7e8844d
  rules: [{namespace: "*", regions: "*", rights: [append, read, delete]}]
- name: greedy
  token_sha256: c19d061d057619e0529c25ce89e68d39754c2b8895a2b234413f3284d47acabc
  rules: [{namespace: "*", regions: "*", rights: [append, read, delete]}]
  limits:
    in_flight_bytes: 1MiB
    append_bytes_per_second: 16MiB
)";

// Puts a token on each call of a channel.
class TokenSender final : public grpc::experimental::Interceptor {
 public:
  explicit TokenSender(absl::string_view token) : value_(absl::StrCat("Bearer ", token)) {}

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(
            grpc::experimental::InterceptionHookPoints::PRE_SEND_INITIAL_METADATA)) {
      methods->GetSendInitialMetadata()->insert({"authorization", value_});
    }
    methods->Proceed();
  }

 private:
  const std::string value_;
};

class TokenSenderFactory final : public grpc::experimental::ClientInterceptorFactoryInterface {
 public:
  explicit TokenSenderFactory(absl::string_view token) : token_(token) {}
  grpc::experimental::Interceptor* CreateClientInterceptor(
      grpc::experimental::ClientRpcInfo* /*call*/) override {
    return new TokenSender(token_);
  }

 private:
  const std::string token_;
};

ChannelPtr ConnectAs(const ServerProcess& server, absl::string_view token) {
  std::vector<std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>> factories;
  factories.push_back(std::make_unique<TokenSenderFactory>(token));
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::experimental::CreateCustomChannelWithInterceptors(
      server.address(), grpc::InsecureChannelCredentials(), arguments, std::move(factories));
}

absl::StatusOr<ServerProcess> StartGuarded(const Options& options) {
  const std::string file = options.directory + "/identities.yaml";
  std::ofstream identities(file);
  identities << kIdentities;
  identities.close();
  if (!identities) return absl::UnavailableError(absl::StrCat("cannot write ", file));
  return ServerProcess::StartWalden(options, "walden",
                                    absl::StrCat("security:\n  identities_file: \"", file, "\"\n"));
}

// What the greedy tenant does while the quiet one is measured.
class GreedyLoad {
 public:
  GreedyLoad(const ChannelPtr& channel, const Options& options)
      : thread_([this, channel, seconds = options.warm_up_seconds + options.seconds_per_round] {
          result_ =
              RunAppendStream(channel, MakeAppendRequest(kGreedyRegion, 1, kGreedyBatchRecords),
                              kGreedyInFlight, {.seconds = kGreedyStartSeconds + seconds});
        }) {}

  // Megabytes in a second.
  absl::StatusOr<double> Finish() {
    thread_.join();
    if (!result_.ok()) return result_.status();
    return result_->OperationsPerSecond() * kGreedyBatchRecords * kPayloadBytes / 1e6;
  }

 private:
  absl::StatusOr<LoadResult> result_ = absl::UnknownError("not measured");
  std::thread thread_;
};

}  // namespace

RowResult RunTenants(const Options& options) {
  auto server = StartGuarded(options);
  if (!server.ok()) return server.status();
  const ChannelPtr quiet = ConnectAs(*server, kQuietToken);
  const ChannelPtr greedy = ConnectAs(*server, kGreedyToken);
  const std::vector<v1::AppendRequest> requests = {MakeAppendRequest(kQuietRegion, 1, 1)};
  const auto measure_quiet = [&]() -> absl::StatusOr<Measurement> {
    const auto load = RunAppends(quiet, requests, 1, OneRound(options));
    if (!load.ok()) return load.status();
    return Measurement{absl::ToDoubleMicroseconds(load->latency.Percentile(kP99)), load->latency};
  };
  std::vector<double> greedy_rates;
  const auto measure_beside = [&]() -> absl::StatusOr<Measurement> {
    GreedyLoad load(greedy, options);
    absl::SleepFor(absl::Seconds(kGreedyStartSeconds));
    auto measured = measure_quiet();
    const absl::StatusOr<double> rate = load.Finish();
    if (!rate.ok()) return rate.status();
    greedy_rates.push_back(*rate);
    if (absl::Status status = MarkAllDeleted(greedy, kGreedyRegion, 1); !status.ok()) return status;
    return measured;
  };
  auto rounds = MeasureRounds(options, measure_beside, measure_quiet);
  if (!rounds.ok()) return rounds.status();
  if (absl::Status status = server->Stop(); !status.ok()) return status;
  Figure figure = MakeFigure({.title = "quiet tenant beside a greedy one at its limits, p99",
                              .unit = "us",
                              .ceiling = "the quiet tenant alone",
                              .latency_of = "call"},
                             *rounds, ShareAtMost(2));
  AddDetail(figure, "the greedy tenant appends", Median(greedy_rates), "MB/s");
  return std::vector{figure};
}

}  // namespace walden::bench
