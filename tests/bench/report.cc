#include "tests/bench/report.h"

#include <grpcpp/grpcpp.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "cli/console/json.h"
#include "nlohmann/json.hpp"
#include "tests/bench/payload.h"

namespace walden::bench {
namespace {

// "ext4 on /dev/sda1", found by the device number of the directory.
std::string DescribeFileSystem(const std::string& directory) {
  struct stat info {};
  if (stat(directory.c_str(), &info) != 0) return "unknown";
  const std::string device = absl::StrCat(major(info.st_dev), ":", minor(info.st_dev));
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    // 36 35 98:0 /root /mount-point options ... - type source super-options
    const std::vector<std::string> sides = absl::StrSplit(line, absl::MaxSplits(" - ", 1));
    if (sides.size() != 2) continue;
    const std::vector<std::string> left = absl::StrSplit(sides[0], ' ');
    const std::vector<std::string> right = absl::StrSplit(sides[1], ' ');
    if (left.size() > 2 && right.size() > 1 && left[2] == device) {
      return absl::StrCat(right[0], " on ", right[1]);
    }
  }
  return "unknown";
}

std::string CpuModel() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!absl::StartsWith(line, "model name")) continue;
    const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits(": ", 1));
    if (parts.size() == 2) return parts[1];
  }
  return "unknown";
}

// Three significant digits, without an exponent.
std::string FormatValue(double value, const std::string& unit) {
  const int decimals = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return absl::StrFormat("%.*f %s", decimals, value, unit);
}

std::string FormatShare(const Figure& figure) {
  if (figure.ceiling().empty()) return "";
  const Spread& share = figure.share();
  return absl::StrFormat("%.2f [%.2f..%.2f]", share.median(), share.minimum(), share.maximum());
}

std::string FormatAim(const Figure& figure) {
  const double value = figure.aim().value();
  switch (figure.aim().kind()) {
    case Aim::SHARE_AT_LEAST:
      return absl::StrFormat(">= %.2f", value);
    case Aim::SHARE_AT_MOST:
      return absl::StrFormat("<= %.2f", value);
    case Aim::VALUE_AT_LEAST:
      return absl::StrCat(">= ", FormatValue(value, figure.unit()));
    case Aim::VALUE_AT_MOST:
      return absl::StrCat("<= ", FormatValue(value, figure.unit()));
    default:
      return "";
  }
}

std::string FormatMicros(double micros) {
  if (micros >= 10'000) return absl::StrFormat("%.1f ms", micros / 1000);
  return absl::StrFormat("%.*f us", micros >= 100 ? 0 : 1, micros);
}

std::string FormatLatency(absl::string_view who, const Latency& latency) {
  return absl::StrFormat("    %-8s %s: p50 %s, p90 %s, p99 %s, p99.9 %s, max %s\n", who,
                         latency.of(), FormatMicros(latency.p50_micros()),
                         FormatMicros(latency.p90_micros()), FormatMicros(latency.p99_micros()),
                         FormatMicros(latency.p999_micros()),
                         FormatMicros(latency.maximum_micros()));
}

std::string FormatColumns(absl::string_view figure, absl::string_view walden,
                          absl::string_view ceiling, absl::string_view share, absl::string_view aim,
                          absl::string_view verdict) {
  std::string line = absl::StrFormat("%-50s %14s %14s  %-20s %-12s %s", figure, walden, ceiling,
                                     share, aim, verdict);
  return absl::StrCat(absl::StripTrailingAsciiWhitespace(line), "\n");
}

std::string FormatFigure(const Figure& figure) {
  const bool has_aim = figure.aim().kind() != Aim::NONE;
  const bool has_ceiling = !figure.ceiling().empty();
  std::string text =
      FormatColumns(figure.title(), FormatValue(figure.walden_median(), figure.unit()),
                    has_ceiling ? FormatValue(figure.ceiling_median(), figure.unit()) : "",
                    FormatShare(figure), FormatAim(figure),
                    !has_aim             ? ""
                    : figure.meets_aim() ? "ok"
                                         : "below");
  if (has_ceiling) absl::StrAppend(&text, "    ceiling  ", figure.ceiling(), "\n");
  if (figure.has_walden_latency()) {
    absl::StrAppend(&text, FormatLatency("walden", figure.walden_latency()));
  }
  if (figure.has_ceiling_latency()) {
    absl::StrAppend(&text, FormatLatency("ceiling", figure.ceiling_latency()));
  }
  for (const Detail& detail : figure.details()) {
    absl::StrAppend(&text, "    ", detail.title(), ": ", FormatValue(detail.value(), detail.unit()),
                    "\n");
  }
  return text;
}

}  // namespace

Machine DescribeMachine(const Options& options) {
  Machine machine;
  machine.set_cores(static_cast<uint32_t>(sysconf(_SC_NPROCESSORS_ONLN)));
  machine.set_cpu(CpuModel());
  machine.set_memory_bytes(static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                           static_cast<uint64_t>(sysconf(_SC_PAGESIZE)));
  utsname kernel{};
  if (uname(&kernel) == 0) machine.set_kernel(absl::StrCat(kernel.sysname, " ", kernel.release));
  machine.set_file_system(DescribeFileSystem(options.directory));
  machine.set_grpc_version(grpc::Version());
  double load = 0;
  if (getloadavg(&load, 1) == 1) machine.set_load_average(load);
  machine.set_started(absl::FormatTime(absl::RFC3339_sec, absl::Now(), absl::UTCTimeZone()));
  return machine;
}

std::string FormatMachine(const Machine& machine, const Settings& settings) {
  std::string text =
      absl::StrFormat("%d cores (%s), %.1f GiB, %s, data on %s, gRPC %s\n", machine.cores(),
                      machine.cpu(), static_cast<double>(machine.memory_bytes()) / (1024.0 * kMiB),
                      machine.kernel(), machine.file_system(), machine.grpc_version());
  absl::StrAppendFormat(&text,
                        "%d rounds of %.2f s, Walden and its ceiling in turn, over %s; "
                        "share: median [min..max] of the rounds\n",
                        settings.rounds(), settings.seconds_per_round(), settings.transport());
  if (absl::StartsWith(machine.file_system(), "tmpfs")) {
    absl::StrAppend(&text, "The data is in memory: nothing here says how a disk would do.\n");
  }
  if (machine.load_average() > machine.cores() / 2.0) {
    absl::StrAppendFormat(&text, "The machine is busy with something else (load average %.1f).\n",
                          machine.load_average());
  }
  if (settings.calibrating()) {
    absl::StrAppend(&text, "Calibrating: \"walden\" is another null server.\n");
  }
  if (settings.quick()) absl::StrAppend(&text, "A quick run: the figures mean nothing.\n");
  return text;
}

std::string FormatHeader() {
  const std::string header = FormatColumns("figure", "walden", "ceiling", "share", "aim", "");
  return absl::StrCat(header, std::string(header.size() + 6, '-'), "\n");
}

std::string FormatRow(const Row& row) {
  if (!row.error().empty()) return absl::StrCat(row.title(), "\n    FAILED: ", row.error(), "\n");
  std::string text;
  for (const Figure& figure : row.figures()) absl::StrAppend(&text, FormatFigure(figure));
  return text;
}

absl::Status WriteJson(const Report& report, const std::string& path) {
  std::ofstream file(path);
  file << cli::ToJson(report).dump(2) << "\n";
  file.close();
  if (!file) return absl::UnavailableError(absl::StrCat("cannot write ", path));
  return absl::OkStatus();
}

}  // namespace walden::bench
