// Reading one table out of a region with a thousand, against the same bytes of a region with one.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/wait.h"
#include "tests/bench/figures.h"
#include "tests/bench/payload.h"
#include "tests/bench/rows/rows.h"
#include "tests/bench/segment_log.h"

namespace walden::bench {
namespace {

constexpr TableId kTables = 1000;
constexpr size_t kPayloadBytes = 1024;
constexpr size_t kGroupBatches = 250;  // in one commit, each of another table
// So many tables, and slices of the one table, are read in a round, one after the other: more bytes
// than a processor's cache keeps.
constexpr uint64_t kTablesRead = 64;

// Appends to all tables in turn, `run` records to each, until each has `records`.
absl::Status WriteInTurn(RegionLog& log, TableId tables, uint64_t records, size_t run) {
  const std::vector<std::string> payloads = MakePayloads(kGroupBatches * run, kPayloadBytes);
  RepeatedGroup group(payloads, run, Durability::kBuffered);
  TableId table = 1;
  for (uint64_t left = tables * records / run; left > 0; left -= kGroupBatches) {
    for (size_t i = 0; i < kGroupBatches; ++i) {
      group.SetTable(i, table);
      table = table % tables + 1;
    }
    if (absl::Status status = group.Commit(log); !status.ok()) return status;
  }
  return SyncAndWait(log);
}

absl::Status ReadWhole(const RegionLog& log, const ReadRange& range, uint64_t records) {
  auto reader = log.NewReader(range);
  if (!reader.ok()) return reader.status();
  uint64_t seen = 0;
  uint64_t bytes = 0;
  for (bool more = true; more;) {
    auto progress = (*reader)->Next({.max_payload_bytes = 256 * 1024}, [&](const RecordView& view) {
      ++seen;
      bytes += view.payload.size();
    });
    if (!progress.ok()) return progress.status();
    more = *progress == ReadProgress::kMore;
  }
  if (seen == records && bytes == records * kPayloadBytes) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("read ", seen, " records where ", records, " are"));
}

// Reads range after range, whole sets of kTablesRead, for some seconds.
template <typename RangeOf>
absl::StatusOr<Measurement> ReadRanges(const RegionLog& log, uint64_t records, double seconds,
                                       RangeOf range_of) {
  Measurement measurement;
  const uint64_t start = NowNanos();
  uint64_t now = start;
  for (const uint64_t end = start + Nanos(seconds); now < end;) {
    for (uint64_t i = 0; i < kTablesRead; ++i) {
      const uint64_t before = now;
      if (auto status = ReadWhole(log, range_of(i), records); !status.ok()) return status;
      now = NowNanos();
      measurement.latency.Record(absl::Nanoseconds(now - before));
    }
  }
  const double bytes = static_cast<double>(measurement.latency.count() * records * kPayloadBytes);
  measurement.value = bytes / 1e6 / SecondsBetween(start, now);
  return measurement;
}

// `run`: how many records of one table lie together.
absl::StatusOr<Figure> MeasureInterleaving(const Options& options, LogEngine& engine,
                                           const RegionLog& single, RegionId region, size_t run,
                                           uint64_t records) {
  auto many = OpenRegion(engine, region);
  if (!many.ok()) return many.status();
  if (auto status = WriteInTurn(**many, kTables, records, run); !status.ok()) return status;
  auto rounds = MeasureRounds(
      options,
      [&] {
        return ReadRanges(**many, records, options.seconds_per_round, [](uint64_t i) {
          return ReadRange{.table = 1 + i * (kTables / kTablesRead)};
        });
      },
      [&] {
        return ReadRanges(single, records, options.seconds_per_round, [&](uint64_t i) {
          return ReadRange{.table = 1, .first = i * records + 1, .last = (i + 1) * records};
        });
      });
  if (!rounds.ok()) return rounds.status();
  if (absl::Status status = CloseAndWait(**many); !status.ok()) return status;
  return MakeFigure({.title = absl::StrCat("one table of 1,000, ", run, " x 1 KiB in turn"),
                     .unit = "MB/s",
                     .ceiling = "the same bytes of a region with one table",
                     .latency_of = absl::StrCat("reading ", records, " KiB")},
                    *rounds, ShareAtLeast(0.5));
}

}  // namespace

RowResult RunOneTableOfMany(const Options& options) {
  const uint64_t records = options.Scale(1024, 64);  // of each table
  auto engine = OpenNamespace(options.directory + "/engine");
  if (!engine.ok()) return engine.status();
  auto single = OpenRegion(**engine, 1);
  if (!single.ok()) return single.status();
  // A multiple of a group, and at least what is read.
  const uint64_t single_records =
      (kTablesRead * records + kGroupBatches - 1) / kGroupBatches * kGroupBatches;
  if (auto status = WriteInTurn(**single, 1, single_records, 1); !status.ok()) return status;
  std::vector<Figure> figures;
  for (const size_t run : {1, 16}) {
    auto figure = MeasureInterleaving(options, **engine, **single, 1 + run, run, records);
    if (!figure.ok()) return figure.status();
    figures.push_back(*figure);
  }
  if (absl::Status status = CloseAndWait(**single); !status.ok()) return status;
  return figures;
}

}  // namespace walden::bench
