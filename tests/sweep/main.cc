// walden_sweep: damages each file of a data directory, one harm at a time, and looks whether every
// record is right or reported missing.
#include <atomic>
#include <cstdio>
#include <iostream>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "CLI/CLI.hpp"
#include "tests/sweep/check.h"

namespace walden::sweep {
namespace {

struct Options {
  DirectoryOwner engine = DirectoryOwner::kSegment;
  size_t share = 0;  // 0: all
  size_t show = 20;
  std::string only;
};

class Sweep {
 public:
  explicit Sweep(const Options& options) : options_(options) {}

  int Run() {
    for (const Ending ending : kEndings) RunEnding(ending);
    std::cout << DirectoryOwnerName(options_.engine) << ": " << done_ << " harms, each with both "
              << "policies; " << wrong_ << " not noticed, " << allowed_.size()
              << " kinds of them allowed by FORMAT.md\n";
    for (const auto& [words, count] : allowed_) std::cout << "  " << count << ": " << words << "\n";
    return wrong_ == 0 ? 0 : 1;
  }

 private:
  void RunEnding(Ending ending) {
    const Story story = Tell(options_.engine, ending);
    CheckUnharmed(story, ending);
    std::vector<Harm> harms = AllHarms(story);
    if (!options_.only.empty()) {
      std::erase_if(harms, [&](const Harm& harm) {
        return harm.Show().find(options_.only) == std::string::npos;
      });
    }
    if (options_.share != 0 && harms.size() > options_.share) harms.resize(options_.share);
    std::atomic<size_t> next{0};
    const auto work = [&] {
      for (size_t i; (i = next++) < harms.size();) {
        for (const auto policy : {RecoveryPolicy::kRefuse, RecoveryPolicy::kQuarantine}) {
          RunOne(story, ending, harms[i], policy);
        }
        ++done_;
      }
    };
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < std::max(1u, std::thread::hardware_concurrency()); ++i) {
      threads.emplace_back(work);
    }
    for (std::thread& thread : threads) thread.join();
  }

  // Checks that the program finds nothing on an unharmed disk.
  void CheckUnharmed(const Story& story, Ending ending) {
    const auto copy = story.disk->CopyOfDisk(1);
    const Harm none{.path = "nothing"};
    Report(ending, none, RecoveryPolicy::kRefuse,
           FindSilent(story, options_.engine, RecoveryPolicy::kRefuse, none, *copy));
  }

  void RunOne(const Story& story, Ending ending, const Harm& harm, RecoveryPolicy policy) {
    const auto copy = story.disk->CopyOfDisk(1);
    if (!Apply(harm, story, *copy)) return;
    Report(ending, harm, policy, FindSilent(story, options_.engine, policy, harm, *copy));
  }

  void Report(Ending ending, const Harm& harm, RecoveryPolicy policy,
              const std::vector<Finding>& findings) {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const Finding& finding : findings) {
      if (const Undetectable* entry = Allows(options_.engine, ending, harm, finding.loss)) {
        ++allowed_[entry->words];
        continue;
      }
      if (wrong_++ >= options_.show) continue;
      std::cout << EndingName(ending) << "; " << harm.Show() << "; "
                << (policy == RecoveryPolicy::kRefuse ? "refuse" : "quarantine") << ": "
                << finding.region << ": " << finding.what << std::endl;
    }
  }

  const Options options_;
  std::atomic<size_t> done_{0};
  std::mutex mutex_;
  size_t wrong_ = 0;
  std::map<std::string, size_t> allowed_;
};

}  // namespace
}  // namespace walden::sweep

int main(int argc, char** argv) {
  CLI::App app{
      "Damages, cuts, zeroes, removes, swaps and replaces each file of a data directory, one at a "
      "time, and checks that every record is right or reported missing"};
  walden::sweep::Options options;
  app.add_option("--engine", options.engine, "segment or rocksdb")
      ->transform(CLI::CheckedTransformer(std::map<std::string, walden::DirectoryOwner>{
          {"segment", walden::DirectoryOwner::kSegment},
          {"rocksdb", walden::DirectoryOwner::kRocksdb}}));
  app.add_option("--share", options.share, "Only so many harms of each way to go down");
  app.add_option("--show", options.show, "How many of what went unnoticed to print");
  app.add_option("--only", options.only, "Only harms whose text contains this");
  CLI11_PARSE(app, argc, argv);
  return walden::sweep::Sweep(options).Run();
}
