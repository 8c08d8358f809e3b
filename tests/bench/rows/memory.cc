// The daemon's resident memory while everything happens at once.
#include <algorithm>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "tests/bench/child_process.h"
#include "tests/bench/figures.h"
#include "tests/bench/payload.h"
#include "tests/bench/rows/append.h"
#include "tests/bench/rows/rows.h"
#include "tests/bench/server_process.h"

namespace walden::bench {
namespace {

constexpr uint64_t kStreamRegion = 1;
constexpr uint64_t kReadRegion = 2;
constexpr uint64_t kFirstUnaryRegion = 3;
constexpr uint64_t kUnaryRegions = 14;
constexpr size_t kBatchRecords = 256;
constexpr double kAllowedBesidesBudgetsMib = 200;

// Loads that run beside each other, and the first error of any.
class ConcurrentLoads {
 public:
  ~ConcurrentLoads() { Join().IgnoreError(); }

  void Start(std::function<absl::Status()> load) {
    threads_.emplace_back([this, load = std::move(load)] {
      const absl::Status status = load();
      absl::MutexLock lock(&mutex_);
      error_.Update(status);
    });
  }

  absl::Status Join() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    absl::MutexLock lock(&mutex_);
    return error_;
  }

 private:
  std::vector<std::thread> threads_;
  absl::Mutex mutex_;
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
};

absl::Status ReadAgainAndAgain(const ChannelPtr& channel, uint64_t end_nanos) {
  v1::ReadRequest request;
  request.set_region_id(kReadRegion);
  request.set_table_id(1);
  while (NowNanos() < end_nanos) {
    if (auto read = RunRead(channel, request); !read.ok()) return read.status();
  }
  return absl::OkStatus();
}

absl::Status TrimAgainAndAgain(const ChannelPtr& channel, uint64_t end_nanos) {
  while (NowNanos() < end_nanos) {
    if (auto status = MarkAllDeleted(channel, kStreamRegion, 1); !status.ok()) return status;
    absl::SleepFor(absl::Milliseconds(500));
  }
  return absl::OkStatus();
}

absl::Status RunEverythingAtOnce(const Options& options, const ChannelPtr& channel,
                                 double seconds) {
  const LoadDuration fill = {.seconds = 600, .max_operations = options.Scale(1024, 16)};  // 256 MiB
  auto filled =
      RunAppendStream(channel, MakeAppendRequest(kReadRegion, 1, kBatchRecords), 16, fill);
  if (!filled.ok()) return filled.status();
  std::vector<v1::AppendRequest> unary;
  for (uint64_t i = 0; i < kUnaryRegions; ++i) {
    unary.push_back(MakeAppendRequest(kFirstUnaryRegion + i, 1, 1));
  }
  const LoadDuration duration = {.seconds = seconds};
  const uint64_t end = NowNanos() + Nanos(seconds);
  ConcurrentLoads loads;
  loads.Start([&] { return RunAppends(channel, unary, 64, duration).status(); });
  loads.Start([&] {
    const auto request = MakeAppendRequest(kStreamRegion, 1, kBatchRecords);
    return RunAppendStream(channel, request, 16, duration).status();
  });
  loads.Start([&] { return ReadAgainAndAgain(channel, end); });
  loads.Start([&] { return TrimAgainAndAgain(channel, end); });
  return loads.Join();
}

}  // namespace

RowResult RunMemory(const Options& options) {
  auto server = ServerProcess::StartWalden(options, "walden");
  if (!server.ok()) return server.status();
  const double seconds = options.seconds_per_round * options.rounds;
  if (absl::Status status = RunEverythingAtOnce(options, server->channel(), seconds);
      !status.ok()) {
    return status;
  }
  auto memory = ReadResidentMemory(server->pid());
  if (!memory.ok()) return memory.status();
  auto statistics = GetStatistics(server->channel());
  if (!statistics.ok()) return statistics.status();
  if (absl::Status status = server->Stop(); !status.ok()) return status;
  const double budgets_mib =
      static_cast<double>(statistics->mailbox_limit_bytes() + statistics->reader_limit_bytes()) /
      kMiB;
  const RoundPair round = {.walden = {.value = memory->peak_mib},
                           .ceiling = {.value = kAllowedBesidesBudgetsMib + budgets_mib}};
  Figure figure = MakeFigure({.title = "resident memory, appends, stream and reads at once",
                              .unit = "MiB",
                              .ceiling = "200 MiB and the budgets of mailboxes and readers"},
                             {round}, ShareAtMost(1.0));
  AddDetail(figure, "when the load ended", memory->now_mib, "MiB");
  AddDetail(figure, "appends in one commit",
            static_cast<double>(statistics->appended_batch_count()) /
                static_cast<double>(std::max<uint64_t>(1, statistics->commit_count())),
            "");
  return std::vector{figure};
}

}  // namespace walden::bench
