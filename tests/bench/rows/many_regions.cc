// A thousand regions with tiny segments, written in turn through the daemon, against the same load
// on one region.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/bench/figures.h"
#include "tests/bench/rows/append.h"
#include "tests/bench/rows/rows.h"
#include "tests/bench/server_process.h"

namespace walden::bench {
namespace {

constexpr uint64_t kOneRegion = 1'000'000;
constexpr size_t kBatchRecords = 64;
constexpr uint64_t kBatchesPerSegment = 15;  // of 1 MiB

const char kConfiguration[] = "namespaces:\n  - id: 1\n    name: default\n    segment_size: 1MiB\n";

// Fills the regions' first segments to different levels, so that from then on there is always one
// that has to begin its next.
absl::Status FillUnevenly(const ServerProcess& server, uint64_t regions) {
  for (uint64_t level = 0; level < kBatchesPerSegment; ++level) {
    std::vector<v1::AppendRequest> requests;
    for (uint64_t region = 1; region <= regions; ++region) {
      if (region % kBatchesPerSegment >= level) {
        requests.push_back(MakeAppendRequest(region, 1, kBatchRecords));
      }
    }
    if (requests.empty()) continue;
    auto load = RunAppends(server.channel(), requests, 16,
                           {.seconds = 600, .max_operations = requests.size()});
    if (!load.ok()) return load.status();
  }
  return absl::OkStatus();
}

absl::StatusOr<Measurement> MegabytesPerSecond(const absl::StatusOr<LoadResult>& load) {
  if (!load.ok()) return load.status();
  return Measurement{load->OperationsPerSecond() * kBatchRecords * kPayloadBytes / 1e6,
                     load->latency};
}

}  // namespace

RowResult RunManyRegions(const Options& options) {
  const uint64_t regions = options.Scale(1000, 20);
  auto server = ServerProcess::StartWalden(options, "walden", kConfiguration);
  if (!server.ok()) return server.status();
  if (absl::Status status = FillUnevenly(*server, regions); !status.ok()) return status;
  std::vector<v1::AppendRequest> in_turn;
  for (uint64_t region = 1; region <= regions; ++region) {
    in_turn.push_back(MakeAppendRequest(region, 1, kBatchRecords));
  }
  const std::vector<v1::AppendRequest> to_one = {MakeAppendRequest(kOneRegion, 1, kBatchRecords)};
  const auto measure = [&](const std::vector<v1::AppendRequest>& requests) {
    return MegabytesPerSecond(RunAppends(server->channel(), requests, 1, OneRound(options)));
  };
  auto rounds = MeasureRounds(
      options, [&] { return measure(in_turn); }, [&] { return measure(to_one); });
  if (!rounds.ok()) return rounds.status();
  if (absl::Status status = server->Stop(); !status.ok()) return status;
  return std::vector{
      MakeFigure({.title = absl::StrCat(regions, " regions in turn, 64 x 1 KiB SYNC"),
                  .unit = "MB/s",
                  .ceiling = "the same appends, one after the other, to one region",
                  .latency_of = "call"},
                 *rounds, ShareAtLeast(0.7))};
}

}  // namespace walden::bench
