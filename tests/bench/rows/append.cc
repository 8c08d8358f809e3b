// Appends through the daemon, against a server that does nothing.
#include "tests/bench/rows/append.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/bench/figures.h"
#include "tests/bench/payload.h"
#include "tests/bench/rows/rows.h"
#include "tests/bench/server_process.h"

namespace walden::bench {
namespace {

constexpr uint64_t kRegion = 1;
constexpr uint64_t kTable = 1;
constexpr int kUnaryInFlight = 64;
constexpr size_t kStreamBatchRecords = 256;
constexpr uint64_t kStreamInFlight = 16;

absl::StatusOr<Measurement> OperationsPerSecond(const absl::StatusOr<LoadResult>& load) {
  if (!load.ok()) return load.status();
  return Measurement{load->OperationsPerSecond(), load->latency};
}

// One load under which both servers are put. Every round has servers of its own: two processes of
// the very same program can differ by a quarter for as long as they live.
struct ServerRounds {
  std::vector<RoundPair> rounds;
  std::vector<double> group_sizes;  // of Walden: batches in one commit, by round
};

template <typename Load>
absl::StatusOr<ServerRounds> MeasureServers(const Options& options, const EngineOfRow& engine,
                                            const NullServerOptions& null_options, Load load) {
  ServerRounds result;
  // What a server does once, because it has just started, is over before it is measured.
  const auto measure = [&](const ChannelPtr& channel) -> absl::StatusOr<Measurement> {
    auto warm_up = load(channel, {.seconds = options.warm_up_seconds});
    if (!warm_up.ok()) return warm_up.status();
    absl::SleepFor(absl::Seconds(options.warm_up_seconds));
    return OperationsPerSecond(load(channel, OneRound(options)));
  };
  const auto measure_walden = [&]() -> absl::StatusOr<Measurement> {
    auto server = ServerProcess::StartWalden(options, "walden", engine.configuration);
    if (!server.ok()) return server.status();
    auto measured = measure(server->channel());
    if (!measured.ok()) return measured;
    auto statistics = GetStatistics(server->channel());
    if (!statistics.ok()) return statistics.status();
    result.group_sizes.push_back(static_cast<double>(statistics->appended_batch_count()) /
                                 static_cast<double>(statistics->commit_count()));
    if (auto status = MarkAllDeleted(server->channel(), kRegion, kTable); !status.ok()) {
      return status;
    }
    if (absl::Status status = server->Stop(); !status.ok()) return status;
    return measured;
  };
  const auto measure_ceiling = [&]() -> absl::StatusOr<Measurement> {
    auto server = ServerProcess::StartNull(options, "null", null_options);
    if (!server.ok()) return server.status();
    return measure(server->channel());
  };
  auto rounds = MeasureRounds(options, measure_walden, measure_ceiling);
  if (!rounds.ok()) return rounds.status();
  result.rounds = *std::move(rounds);
  return result;
}

std::vector<RoundPair> WithPercentile(std::vector<RoundPair> rounds, double percentile) {
  for (RoundPair& round : rounds) {
    for (Measurement* of : {&round.walden, &round.ceiling}) {
      of->value = absl::ToDoubleMicroseconds(of->latency.Percentile(percentile));
    }
  }
  return rounds;
}

}  // namespace

v1::AppendRequest MakeAppendRequest(uint64_t region, uint64_t table, size_t records) {
  v1::AppendRequest request;
  request.set_region_id(region);
  request.set_durability(v1::DURABILITY_SYNC);
  v1::TableAppend& append = *request.add_tables();
  append.set_table_id(table);
  for (std::string& payload : MakePayloads(records, kPayloadBytes)) {
    append.add_payloads(std::move(payload));
  }
  return request;
}

LoadDuration OneRound(const Options& options) {
  return {.warm_up_seconds = options.warm_up_seconds, .seconds = options.seconds_per_round};
}

namespace {

RowResult RunAppendUnary(const Options& options, const EngineOfRow& engine) {
  const std::vector<v1::AppendRequest> requests = {MakeAppendRequest(kRegion, kTable, 1)};
  auto measured = MeasureServers(options, engine, {},
                                 [&](const ChannelPtr& channel, const LoadDuration& duration) {
                                   return RunAppends(channel, requests, kUnaryInFlight, duration);
                                 });
  if (!measured.ok()) return measured.status();
  const FigureText text = {.title = absl::StrCat("Append SYNC, 1 KiB, 64 in flight", engine.suffix),
                           .unit = "/s",
                           .ceiling = "server that does nothing",
                           .latency_of = "call"};
  Figure figure = MakeFigure(text, measured->rounds, ShareAtLeast(0.80));
  AddDetail(figure, "appends in one commit", Median(measured->group_sizes), "");
  return std::vector{figure};
}

}  // namespace

RowResult RunAppendOneInFlight(const Options& options) {
  const std::vector<v1::AppendRequest> requests = {MakeAppendRequest(kRegion, kTable, 1)};
  const NullServerOptions null_options = {.sync_file = options.directory + "/null.data"};
  auto measured = MeasureServers(options, kSegmentEngine, null_options,
                                 [&](const ChannelPtr& channel, const LoadDuration& duration) {
                                   return RunAppends(channel, requests, 1, duration);
                                 });
  if (!measured.ok()) return measured.status();
  FigureText text = {.title = "Append SYNC, 1 KiB, 1 in flight, p50",
                     .unit = "us",
                     .ceiling = "server that does one pwrite + fdatasync of the same bytes",
                     .latency_of = "call"};
  const auto& rounds = measured->rounds;
  std::vector figures = {MakeFigure(text, WithPercentile(rounds, 50), ShareAtMost(1.25))};
  text.title = "Append SYNC, 1 KiB, 1 in flight, p99";
  text.latency_of = "";
  figures.push_back(MakeFigure(text, WithPercentile(rounds, 99), ShareAtMost(1.25)));
  return figures;
}

namespace {

RowResult RunAppendStreamRow(const Options& options, const EngineOfRow& engine) {
  const v1::AppendRequest request = MakeAppendRequest(kRegion, kTable, kStreamBatchRecords);
  auto measured = MeasureServers(
      options, engine, {}, [&](const ChannelPtr& channel, const LoadDuration& duration) {
        return RunAppendStream(channel, request, kStreamInFlight, duration);
      });
  if (!measured.ok()) return measured.status();
  for (RoundPair& round : measured->rounds) {
    for (Measurement* of : {&round.walden, &round.ceiling}) {
      of->value *= kStreamBatchRecords * kPayloadBytes / 1e6;
    }
  }
  const FigureText text = {
      .title = absl::StrCat("AppendStream SYNC, 256 x 1 KiB, 16 in flight", engine.suffix),
      .unit = "MB/s",
      .ceiling = "server that does nothing but answer the same stream",
      .latency_of = "batch"};
  Figure figure = MakeFigure(text, measured->rounds, ShareAtLeast(0.60));
  AddDetail(figure, "batches in one commit", Median(measured->group_sizes), "");
  return std::vector{figure};
}

}  // namespace

RowResult RunAppendUnary(const Options& options) { return RunAppendUnary(options, kSegmentEngine); }
RowResult RunRocksdbAppendUnary(const Options& options) {
  return RunAppendUnary(options, kRocksdbEngine);
}
RowResult RunAppendStreamRow(const Options& options) {
  return RunAppendStreamRow(options, kSegmentEngine);
}
RowResult RunRocksdbAppendStream(const Options& options) {
  return RunAppendStreamRow(options, kRocksdbEngine);
}

}  // namespace walden::bench
