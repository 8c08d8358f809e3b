// Opening a namespace as after a restart, in a process that does nothing else.
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "engine/wait.h"
#include "tests/bench/child_process.h"
#include "tests/bench/figures.h"
#include "tests/bench/file_ceiling.h"
#include "tests/bench/open_namespace_child.h"
#include "tests/bench/payload.h"
#include "tests/bench/rows/rows.h"
#include "tests/bench/segment_log.h"

namespace walden::bench {
namespace {

constexpr RegionId kRegions = 4;
constexpr uint64_t kTables = 16;
constexpr size_t kGroupRecords = 1024;
constexpr size_t kPayloadBytes = 1024;

// What the child prints, one `name=value` to a line.
struct Opening {
  double bytes = 0;
  double records = 0;
  double seconds = 0;
  double resident_before_mib = 0;
  double resident_peak_mib = 0;
};

absl::Status WriteNamespace(const std::string& directory, uint64_t bytes) {
  auto engine = OpenNamespace(directory);
  if (!engine.ok()) return engine.status();
  const std::vector<std::string> payloads = MakePayloads(kGroupRecords, kPayloadBytes);
  RepeatedGroup group(payloads, kGroupRecords / kTables, Durability::kBuffered);
  for (size_t i = 0; i < group.batches(); ++i) group.SetTable(i, i + 1);
  const uint64_t groups = bytes / kRegions / (kGroupRecords * (kPayloadBytes + kRecordHeaderBytes));
  for (RegionId region = 1; region <= kRegions; ++region) {
    auto log = OpenRegion(**engine, region);
    if (!log.ok()) return log.status();
    for (uint64_t i = 0; i < groups; ++i) {
      if (absl::Status status = group.Commit(**log); !status.ok()) return status;
    }
    if (absl::Status status = CloseAndWait(**log); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<Opening> ParseOpening(const std::string& printed) {
  Opening opening;
  const std::vector<std::pair<std::string, double*>> values = {
      {"bytes", &opening.bytes},
      {"records", &opening.records},
      {"seconds", &opening.seconds},
      {"resident_before_mib", &opening.resident_before_mib},
      {"resident_peak_mib", &opening.resident_peak_mib}};
  for (const auto& [name, value] : values) {
    bool found = false;
    for (absl::string_view line : absl::StrSplit(printed, '\n')) {
      const std::vector<absl::string_view> sides = absl::StrSplit(line, '=');
      found = found || (sides.size() == 2 && sides[0] == name && absl::SimpleAtod(sides[1], value));
    }
    if (!found) {
      return absl::InternalError(absl::StrCat("no ", name, " in what was printed: ", printed));
    }
  }
  return opening;
}

absl::StatusOr<Opening> OpenInChild(const Options& options, const std::string& directory) {
  auto child = ChildProcess::Start({options.self, "--open-namespace", directory},
                                   options.directory + "/open.log");
  if (!child.ok()) return child.status();
  if (absl::Status status = child->Wait(absl::Minutes(5)); !status.ok()) return status;
  return ParseOpening(child->ReadOutput());
}

}  // namespace

absl::Status RunOpenNamespaceChild(const std::string& directory) {
  auto before = ReadResidentMemory(getpid());
  if (!before.ok()) return before.status();
  const uint64_t start = NowNanos();
  auto engine = OpenNamespace(directory, Spares::kNone);
  if (!engine.ok()) return engine.status();
  auto regions = (*engine)->ListRegions();
  if (!regions.ok()) return regions.status();
  std::vector<std::unique_ptr<RegionLog>> logs;
  uint64_t bytes = 0;
  uint64_t records = 0;
  for (RegionId region : *regions) {
    auto log = OpenRegion(**engine, region);
    if (!log.ok()) return log.status();
    const OpeningReport report = (*log)->Describe().opening;
    if (report.outcome != OpeningReport::Outcome::kClean) {
      return absl::DataLossError(absl::StrCat("region ", region, " did not open cleanly"));
    }
    bytes += report.bytes_scanned;
    records += report.records_scanned;
    logs.push_back(*std::move(log));
  }
  const double seconds = SecondsBetween(start, NowNanos());
  auto after = ReadResidentMemory(getpid());
  if (!after.ok()) return after.status();
  std::printf("bytes=%.0f\nrecords=%.0f\nseconds=%.9f\n", static_cast<double>(bytes),
              static_cast<double>(records), seconds);
  std::printf("resident_before_mib=%.3f\nresident_peak_mib=%.3f\n", before->peak_mib,
              after->peak_mib);
  return absl::OkStatus();
}

RowResult RunOpenNamespace(const Options& options) {
  const uint64_t bytes = options.Scale(4096 * kMiB, 64 * kMiB);
  const std::string directory = options.directory + "/engine";
  if (absl::Status status = WriteNamespace(directory, bytes); !status.ok()) return status;
  const std::vector<std::string> files = SegmentFilesBelow(directory);
  // Not counted; from here on the page cache has all of it.
  if (auto warm = ReadFiles(files); !warm.ok()) return warm.status();

  std::vector<RoundPair> memory;
  Opening opening;
  auto rounds = MeasureRounds(
      options,
      [&]() -> absl::StatusOr<Measurement> {
        auto opened = OpenInChild(options, directory);
        if (!opened.ok()) return opened.status();
        opening = *opened;
        memory.push_back({.walden = {.value = opening.resident_peak_mib}});
        return Measurement{.value = opening.bytes / 1e9 / opening.seconds};
      },
      [&]() -> absl::StatusOr<Measurement> {
        auto read = ReadFiles(files);
        if (!read.ok()) return read.status();
        return Measurement{.value = static_cast<double>(read->bytes) / 1e9 / read->seconds};
      });
  if (!rounds.ok()) return rounds.status();

  const std::string what = absl::StrCat("opening a namespace of ", bytes / kMiB, " MiB");
  std::vector figures = {
      MakeFigure({.title = absl::StrCat(what, ", warm cache"),
                  .unit = "GB/s",
                  .ceiling = "one thread reading the same files, 1 MiB at a time"},
                 *rounds, ValueAtLeast(2.0)),
      MakeFigure({.title = absl::StrCat(what, ", peak memory"), .unit = "MiB"}, memory,
                 ValueAtMost(256))};
  AddDetail(figures[0], "scanned", opening.bytes / 1e9, "GB");
  AddDetail(figures[0], "records", opening.records, "");
  AddDetail(figures[1], "before opening", opening.resident_before_mib, "MiB");
  return figures;
}

}  // namespace walden::bench
