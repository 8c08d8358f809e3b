// The engine alone: group commits, against what the disk gives for the same bytes.
#include <memory>
#include <string>
#include <vector>

#include "engine/wait.h"
#include "tests/bench/figures.h"
#include "tests/bench/file_ceiling.h"
#include "tests/bench/payload.h"
#include "tests/bench/rows/rows.h"
#include "tests/bench/segment_log.h"

namespace walden::bench {
namespace {

constexpr RegionId kRegion = 1;
constexpr TableId kTable = 1;
constexpr size_t kGroupRecords = 256;
constexpr size_t kPayloadBytes = 1024;
constexpr size_t kGroupBytes = kGroupRecords * (kPayloadBytes + kRecordHeaderBytes);

// What the log's user does while it is written.
enum class Usage {
  kGrowing,  // nothing is deleted
  kTrimmed,  // everything but the last segment's worth is marked deleted now and then
};

// One round: groups of 256 appends of 1 KiB for some seconds.
absl::StatusOr<Measurement> CommitGroups(RegionLog& log, const std::vector<RepeatedGroup*>& groups,
                                         Usage usage, double seconds) {
  constexpr uint64_t kGroupsBetweenTrims = kSegmentBytes / kGroupBytes;
  CommitPipeline pipeline(log, groups);
  const uint64_t start = NowNanos();
  uint64_t commits = 0;
  for (const uint64_t end = start + Nanos(seconds); NowNanos() < end;) {
    if (absl::Status status = pipeline.Begin(); !status.ok()) return status;
    ++commits;
    if (usage != Usage::kTrimmed || commits % kGroupsBetweenTrims != 0) continue;
    const SequenceNumber next = log.Position(kTable).next;
    const SequenceNumber kept = kGroupsBetweenTrims * kGroupRecords;
    if (next <= kept + 1) continue;
    auto marked = MarkTableAndWait(log, kTable, next - kept - 1, std::nullopt);
    if (!marked.ok()) return marked.status();
  }
  if (absl::Status status = pipeline.Finish(); !status.ok()) return status;
  const double bytes = static_cast<double>(commits * kGroupBytes);
  return Measurement{.value = bytes / 1e6 / SecondsBetween(start, NowNanos()),
                     .latency = pipeline.latency()};
}

absl::StatusOr<std::vector<RoundPair>> MeasureUsage(const Options& options, RegionLog& log,
                                                    Usage usage) {
  const std::vector<std::string> payloads = MakePayloads(kGroupRecords, kPayloadBytes);
  std::vector<std::unique_ptr<RepeatedGroup>> groups;
  std::vector<RepeatedGroup*> in_turn;
  for (size_t i = 0; i < log.commit_policy().max_under_way; ++i) {
    groups.push_back(std::make_unique<RepeatedGroup>(payloads, 1, Durability::kSync));
    for (size_t j = 0; j < groups.back()->batches(); ++j) groups.back()->SetTable(j, kTable);
    in_turn.push_back(groups.back().get());
  }
  return MeasureRounds(
      options,
      [&]() -> absl::StatusOr<Measurement> {
        auto measured = CommitGroups(log, in_turn, usage, options.seconds_per_round);
        if (!measured.ok()) return measured;
        auto marked = MarkTableAndWait(log, kTable, kMaxSequenceNumber, std::nullopt);
        if (!marked.ok()) return marked.status();
        return measured;
      },
      [&] {
        return MeasureSyncedWrites(options.directory, kGroupBytes, Blocks::kWrittenBefore,
                                   options.seconds_per_round);
      });
}

}  // namespace

RowResult RunEngineCommit(const Options& options) {
  auto fresh = MeasureSyncedWrites(options.directory, kGroupBytes, Blocks::kFreshlyAllocated,
                                   options.seconds_per_round);
  if (!fresh.ok()) return fresh.status();
  auto engine = OpenNamespace(options.directory + "/engine");
  if (!engine.ok()) return engine.status();
  auto log = OpenRegion(**engine, kRegion);
  if (!log.ok()) return log.status();
  auto growing = MeasureUsage(options, **log, Usage::kGrowing);
  if (!growing.ok()) return growing.status();
  auto trimmed = MeasureUsage(options, **log, Usage::kTrimmed);
  if (!trimmed.ok()) return trimmed.status();
  if (absl::Status status = CloseAndWait(**log); !status.ok()) return status;

  FigureText text = {.title = "engine, groups of 256 x 1 KiB, growing log",
                     .unit = "MB/s",
                     .ceiling = "pwritev + fdatasync of the same bytes, blocks written before",
                     .latency_of = "group"};
  std::vector figures = {MakeFigure(text, *growing, ShareAtLeast(0.85))};
  AddDetail(figures[0], "pwritev + fdatasync, blocks freshly allocated", fresh->value, "MB/s");
  text.title = "engine, groups of 256 x 1 KiB, log trimmed behind";
  figures.push_back(MakeFigure(text, *trimmed, ShareAtLeast(0.85)));
  return figures;
}

}  // namespace walden::bench
