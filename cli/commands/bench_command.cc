// `walden bench`.
#include <algorithm>
#include <memory>
#include <random>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/client/admin_pages.h"
#include "cli/client/bench_load.h"
#include "cli/commands/commands.h"
#include "cli/console/failure.h"
#include "cli/console/progress.h"
#include "cli/console/units.h"
#include "nlohmann/json.hpp"

namespace walden::cli {
namespace {

struct BenchOptions {
  std::optional<uint64_t> region;
  uint64_t tables = 1;
  std::optional<uint64_t> duration_millis;
  uint64_t records = 0;
  uint64_t max_bytes = uint64_t{4} << 30;
  uint64_t payload_bytes = 1024;
  std::optional<uint64_t> batch_records;
  std::optional<uint64_t> in_flight;
  bool stream = false;
  bool buffered = false;
  bool keep = false;
};

struct NamedPercentile {
  const char* name;
  const char* json_name;
  double percentile;
};
constexpr NamedPercentile kPercentiles[] = {
    {"p50", "p50", 50}, {"p90", "p90", 90}, {"p99", "p99", 99}, {"p99.9", "p99_9", 99.9}};

class BenchCommand {
 public:
  BenchCommand(Session& session, const BenchOptions& options)
      : session_(session), options_(options) {}

  absl::Status Run();

 private:
  absl::StatusOr<uint64_t> ChooseRegion();
  LoadOptions Load(uint64_t region) const;
  absl::Status Drop(uint64_t region);
  absl::Status Print(const LoadOptions& load, const LoadResult& result);

  Session& session_;
  const BenchOptions& options_;
  uint32_t namespace_id_ = 0;  // not 0 once it runs: a drop has no default namespace
};

absl::Status BenchCommand::Run() {
  const auto named = NamedNamespace(session_.connection(), session_.common().namespace_id);
  if (!named.ok()) return named.status();
  namespace_id_ = *named;
  const auto region = ChooseRegion();
  if (!region.ok()) return region.status();
  const auto info = GetServerInfo(session_.connection());
  if (!info.ok()) return info.status();
  LoadOptions load = Load(*region);
  load.max_message_batches = info->limits().max_stream_message_appends();
  LoadResult result;
  {
    Progress progress(session_.err(), "appending");
    result = RunLoad(session_.connection(), load, [&progress](const LoadResult& so_far) {
      progress.Update({so_far.records, so_far.payload_bytes, 0});
    });
  }
  absl::Status status = result.status;
  if (status.ok() && session_.interrupt().requested()) {
    status = Failure(absl::StatusCode::kCancelled, kReasonInterrupted, "interrupted");
  }
  if (result.batches > 0) status.Update(Print(load, result));
  if (!options_.region.has_value() && !options_.keep) status.Update(Drop(*region));
  return status;
}

// One that nobody has: a random id beyond those that people choose.
absl::StatusOr<uint64_t> BenchCommand::ChooseRegion() {
  if (options_.region.has_value()) return *options_.region;
  const auto answer = ListRegions(session_.connection(), namespace_id_);
  if (!answer.ok()) return answer.status();
  std::random_device entropy;
  for (;;) {
    const uint64_t region =
        uint64_t{1} << 62 | (static_cast<uint64_t>(entropy()) << 16) | (entropy() & 0xFFFF);
    const bool taken =
        std::any_of(answer->regions().begin(), answer->regions().end(),
                    [region](const v1::RegionInfo& info) { return info.region_id() == region; });
    if (!taken) return region;
  }
}

LoadOptions BenchCommand::Load(uint64_t region) const {
  LoadOptions load;
  load.stream = options_.stream;
  load.namespace_id = namespace_id_;
  load.region = region;
  load.tables = options_.tables;
  load.durability = options_.buffered ? v1::DURABILITY_BUFFERED : v1::DURABILITY_SYNC;
  load.payload_bytes = options_.payload_bytes;
  load.batch_records = options_.batch_records.value_or(options_.stream ? 256 : 1);
  load.in_flight = options_.in_flight.value_or(options_.stream ? 16 : 64);
  load.max_records = options_.records;
  load.max_bytes = options_.max_bytes;
  const uint64_t bounded_by_records = 3'600'000;
  load.duration = absl::Milliseconds(static_cast<int64_t>(
      options_.duration_millis.value_or(options_.records > 0 ? bounded_by_records : 5000)));
  return load;
}

absl::Status BenchCommand::Drop(uint64_t region) {
  Connection& connection = session_.connection();
  v1::DropRegionRequest request;
  request.set_namespace_id(namespace_id_);
  request.set_region_id(region);
  request.set_confirm_region_id(region);
  v1::DropRegionResponse answer;
  absl::Status dropped = connection.Unary(&v1::AdminService::Stub::DropRegion, connection.admin(),
                                          request, &answer, Connection::Interruption::kToTheEnd);
  return WithContext(dropped, absl::StrCat("cannot drop the benchmark's region ", region, ": "));
}

absl::Status BenchCommand::Print(const LoadOptions& load, const LoadResult& result) {
  const double seconds = std::max(absl::ToDoubleSeconds(result.elapsed), 1e-9);
  const double batches = static_cast<double>(result.batches) / seconds;
  const double records = static_cast<double>(result.records) / seconds;
  const double bytes = static_cast<double>(result.payload_bytes) / seconds;
  const char* mode = load.stream ? "AppendStream" : "Append";
  const char* durability = load.durability == v1::DURABILITY_SYNC ? "SYNC" : "BUFFERED";
  if (session_.json()) {
    Json line;
    line["rpc"] = mode;
    line["durability"] = durability;
    line["region_id"] = load.region;
    line["tables"] = load.tables;
    line["payload_bytes"] = load.payload_bytes;
    line["batch_records"] = load.batch_records;
    line["in_flight"] = load.in_flight;
    line["seconds"] = seconds;
    line["batches"] = result.batches;
    line["records"] = result.records;
    line["total_payload_bytes"] = result.payload_bytes;
    line["batches_per_second"] = batches;
    line["records_per_second"] = records;
    line["payload_bytes_per_second"] = bytes;
    Json& micros = line["latency_micros"];
    for (const NamedPercentile& p : kPercentiles) {
      micros[p.json_name] = absl::ToDoubleMicroseconds(result.latencies.Percentile(p.percentile));
    }
    micros["max"] = absl::ToDoubleMicroseconds(result.latencies.Max());
    micros["mean"] = absl::ToDoubleMicroseconds(result.latencies.Mean());
    return session_.PrintJson(line);
  }
  std::string text = absl::StrFormat(
      "%s %s, %d x %s per batch, %d in flight, %d table%s, %.1f s\n"
      "throughput  %s batches/s  %s records/s  %s/s\n"
      "latency    ",
      mode, durability, load.batch_records, FormatBytes(load.payload_bytes), load.in_flight,
      load.tables, load.tables == 1 ? "" : "s", seconds, FormatRate(batches), FormatRate(records),
      FormatBytes(static_cast<uint64_t>(bytes)));
  for (const NamedPercentile& p : kPercentiles) {
    absl::StrAppend(&text, " ", p.name, " ", FormatTime(result.latencies.Percentile(p.percentile)),
                    " ");
  }
  absl::StrAppend(&text, " max ", FormatTime(result.latencies.Max()), "\n");
  if (load.max_bytes != 0 && result.payload_bytes >= load.max_bytes) {
    absl::StrAppend(&text, "ended at --max-bytes ", FormatBytes(load.max_bytes), "\n");
  }
  return session_.out().Write(text);
}

void AddLoadOptions(Command command, BenchOptions& options) {
  command
      .Add("--seconds", options.duration_millis,
           "Duration of the load (default 5s, or 1h with --records), e.g. 10 or 500ms")
      .Check([](std::string& text) {
        if (ParseNumber(text).has_value()) text += "s";
        return Millis()(text);
      })
      .Value("DURATION");
  command.Add("--records", options.records, "Stop after this many records")
      .Check(Number(1))
      .Value("N");
  command
      .Add("--max-bytes", options.max_bytes,
           "Stop after this many payload bytes, which stay on disk until the end\n"
           "(default 4GiB)")
      .Check(ByteSize(1, UINT64_MAX))
      .Value("SIZE");
  command.Add("--payload-bytes", options.payload_bytes, "Size of a record (default 1KiB)")
      .Check(ByteSize(0, uint64_t{1} << 30))
      .Value("SIZE");
  command
      .Add("--batch-records", options.batch_records,
           "Records per batch (default 1, with --stream 256)")
      .Check(Number(1, 1u << 20))
      .Value("N");
  command
      .Add("--in-flight", options.in_flight,
           "Batches without an answer at any moment (default 64, with --stream 16)")
      .Check(Number(1, 65536))
      .Value("N");
  command.Add("--tables", options.tables, "Spread batches over this many tables (default 1)")
      .Check(Number(1, 100'000))
      .Value("N");
}

}  // namespace

void AddBenchCommand(CommandSet& commands) {
  auto options = std::make_shared<BenchOptions>();
  Command command = commands.Add(
      "bench",
      "Put a bounded load of appends on a running daemon; print throughput and latency.\n"
      "The load has a region of its own, which is dropped at the end. --region and --keep\n"
      "change that.",
      {"walden bench", "walden bench --stream --seconds 10 --json",
       "walden bench --in-flight 1 --records 10000 --payload-bytes 100 --buffered"});
  AddLoadOptions(command, *options);
  command.AddFlag("--stream", options->stream, "One AppendStream instead of unary Append calls");
  command.AddFlag("--buffered", options->buffered, "BUFFERED instead of SYNC durability");
  command
      .Add("-r,--region", options->region,
           "Use this region, and do not drop it (default: a fresh one)")
      .Check(Number())
      .Value("ID");
  command.AddFlag("--keep", options->keep, "Do not drop the fresh region at the end");
  command.Runs([options](Session& session) { return BenchCommand(session, *options).Run(); });
}

}  // namespace walden::cli
