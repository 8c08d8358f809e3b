// walden_simulation: random histories of the engine, each replayed exactly by its seed.
#include <atomic>
#include <cstdio>
#include <functional>
#include <iostream>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "tests/simulation/group_history.h"
#include "tests/simulation/producer_history.h"
#include "tests/simulation/simulation.h"

namespace walden::testing {
namespace {

enum class HistoryKind { kSteps, kGroups, kProducers };

// The kind of history, without the seed.
struct Kind {
  SimulatedEngine engine = SimulatedEngine::kSegment;
  HistoryKind history = HistoryKind::kSteps;

  std::string options() const {
    std::string text = engine == SimulatedEngine::kRocksdb ? " --engine rocksdb" : "";
    if (history == HistoryKind::kGroups) text += " --history groups";
    if (history == HistoryKind::kProducers) text += " --history producers";
    return text;
  }
};

absl::Status RunHistory(uint64_t seed, Kind kind, bool every_operation,
                        std::function<void(const std::string& line)> observe) {
  switch (kind.history) {
    case HistoryKind::kGroups:
      return GroupHistory(seed, every_operation, std::move(observe)).Run();
    case HistoryKind::kProducers:
      return ProducerHistory(seed, kind.engine, every_operation, std::move(observe)).Run();
    case HistoryKind::kSteps:
      break;
  }
  return Simulation(seed, kind.engine, every_operation, std::move(observe)).Run();
}

bool ParseRange(const std::string& text, std::pair<uint64_t, uint64_t>* range) {
  const std::vector<std::string> ends = absl::StrSplit(text, "..");
  return ends.size() == 2 && absl::SimpleAtoi(ends[0], &range->first) &&
         absl::SimpleAtoi(ends[1], &range->second) && range->first <= range->second;
}

// Prints the history and what was wrong with it.
void Report(uint64_t seed, Kind kind, const std::vector<std::string>& history,
            const absl::Status& wrong) {
  std::cout << "--- seed " << seed << "\n";
  for (const std::string& line : history) std::cout << line << "\n";
  std::cout << "WRONG: " << wrong.message() << "\nreplay: walden_simulation" << kind.options()
            << " --seed " << seed << " --verbose\n"
            << std::flush;
}

int RunOne(uint64_t seed, Kind kind, bool verbose) {
  const auto print = [](const std::string& line) { std::cout << line << "\n"; };
  const absl::Status status = RunHistory(seed, kind, verbose, print);
  std::cout << (status.ok() ? "seed holds" : "WRONG: " + ShowStatus(status)) << std::endl;
  return status.ok() ? 0 : 1;
}

int RunMany(std::pair<uint64_t, uint64_t> seeds, Kind kind, int max_failures) {
  std::atomic<uint64_t> next{seeds.first};
  std::atomic<int> failures{0};
  std::mutex printing;
  const auto work = [&] {
    for (uint64_t seed; (seed = next++) <= seeds.second && failures < max_failures;) {
      std::vector<std::string> history;
      const absl::Status status =
          RunHistory(seed, kind, /*every_operation=*/false,
                     [&](const std::string& line) { history.push_back(line); });
      if (status.ok()) continue;
      const std::lock_guard<std::mutex> lock(printing);
      if (failures++ < max_failures) Report(seed, kind, history, status);
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < std::max(1u, std::thread::hardware_concurrency()); ++i) {
    threads.emplace_back(work);
  }
  for (std::thread& thread : threads) thread.join();
  std::cout << "seeds " << seeds.first << ".." << seeds.second << ": " << failures << " failed\n";
  return failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace walden::testing

int main(int argc, char** argv) {
  CLI::App app{
      "Runs random histories of the storage engine on a failing machine and compares what "
      "it holds with a model. A seed replays its history exactly."};
  uint64_t seed = 0;
  std::string seeds = "1..1000";
  bool verbose = false;
  int max_failures = 1;
  walden::testing::Kind kind;
  auto* one = app.add_option("--seed", seed, "Run this seed and print its history");
  app.add_option("--seeds", seeds, "Run these, FROM..TO, on all processors")->excludes(one);
  app.add_option("--engine", kind.engine, "segment or rocksdb")
      ->transform(CLI::CheckedTransformer(std::map<std::string, walden::testing::SimulatedEngine>{
          {"segment", walden::testing::SimulatedEngine::kSegment},
          {"rocksdb", walden::testing::SimulatedEngine::kRocksdb}}));
  app.add_option("--history", kind.history,
                 "steps: everything that the engines do, a little each; groups: large groups and "
                 "harm to their bytes; producers: long pipelines, retried")
      ->transform(CLI::CheckedTransformer(std::map<std::string, walden::testing::HistoryKind>{
          {"steps", walden::testing::HistoryKind::kSteps},
          {"groups", walden::testing::HistoryKind::kGroups},
          {"producers", walden::testing::HistoryKind::kProducers}}));
  app.add_flag("--verbose", verbose, "With --seed: print every file operation");
  app.add_option("--max-failures", max_failures, "Stop after so many failing seeds")
      ->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  if (kind.engine == walden::testing::SimulatedEngine::kRocksdb &&
      kind.history == walden::testing::HistoryKind::kGroups) {
    std::cerr << "--engine rocksdb has no history groups\n";
    return 2;
  }
  if (one->count() > 0) return walden::testing::RunOne(seed, kind, verbose);
  std::pair<uint64_t, uint64_t> range;
  if (!walden::testing::ParseRange(seeds, &range)) {
    std::cerr << "--seeds is " << seeds << ", must be FROM..TO\n";
    return 2;
  }
  return walden::testing::RunMany(range, kind, max_failures);
}
