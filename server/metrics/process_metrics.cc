#include "server/metrics/process_metrics.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"

namespace walden {
namespace {

std::string ReadFile(const char* path) {
  const std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Of /proc/self/stat, counted from behind the program's name as man 5 proc counts.
struct ProcessStat {
  int64_t user_ticks = 0;
  int64_t system_ticks = 0;
  int64_t threads = 0;
  int64_t start_ticks = 0;  // since the machine was started
  int64_t virtual_bytes = 0;
  int64_t resident_pages = 0;
};

std::optional<ProcessStat> ReadStat() {
  const std::string text = ReadFile("/proc/self/stat");
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(name_end + 1));
  ProcessStat stat;
  std::string field;
  for (int number = 3; number <= 24 && fields >> field; ++number) {
    int64_t value = 0;
    if (!absl::SimpleAtoi(field, &value)) continue;  // the state is a letter
    if (number == 14) stat.user_ticks = value;
    if (number == 15) stat.system_ticks = value;
    if (number == 20) stat.threads = value;
    if (number == 22) stat.start_ticks = value;
    if (number == 23) stat.virtual_bytes = value;
    if (number == 24) stat.resident_pages = value;
  }
  if (fields.fail()) return std::nullopt;
  return stat;
}

// Unix time at which the machine was started.
std::optional<int64_t> BootSeconds() {
  std::istringstream lines(ReadFile("/proc/stat"));
  std::string word;
  int64_t seconds = 0;
  while (lines >> word) {
    if (word == "btime" && lines >> seconds) return seconds;
  }
  return std::nullopt;
}

std::optional<uint64_t> CountOpenFiles() {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir("/proc/self/fd"), &closedir);
  if (directory == nullptr) return std::nullopt;
  uint64_t count = 0;
  while (const dirent* entry = readdir(directory.get())) {
    count += !absl::StartsWith(entry->d_name, ".");
  }
  return count - 1;  // without the one that lists them
}

}  // namespace

void AddProcessMetrics(MetricFamilies& families) {
  if (const std::optional<ProcessStat> stat = ReadStat(); stat.has_value()) {
    const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
    families.Add(Metric::kProcessCpu,
                 static_cast<double>(stat->user_ticks + stat->system_ticks) / ticks);
    families.Add(Metric::kProcessResident,
                 static_cast<double>(stat->resident_pages * sysconf(_SC_PAGESIZE)));
    families.Add(Metric::kProcessVirtual, static_cast<double>(stat->virtual_bytes));
    families.Add(Metric::kProcessThreads, static_cast<double>(stat->threads));
    if (const std::optional<int64_t> boot = BootSeconds(); boot.has_value()) {
      families.Add(Metric::kProcessStartTime,
                   static_cast<double>(*boot) + static_cast<double>(stat->start_ticks) / ticks);
    }
  }
  if (const std::optional<uint64_t> files = CountOpenFiles(); files.has_value()) {
    families.Add(Metric::kProcessOpenFds, static_cast<double>(*files));
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    families.Add(Metric::kProcessMaxFds, static_cast<double>(limit.rlim_cur));
  }
}

}  // namespace walden
