// The entry log: what it costs beside the plain log, and what a Get costs beside a call.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/entry/entry_codec.h"
#include "engine/entry/page.h"
#include "tests/bench/figures.h"
#include "tests/bench/payload.h"
#include "tests/bench/rows/append.h"
#include "tests/bench/rows/rows.h"
#include "tests/bench/server_process.h"

namespace walden::bench {
namespace {

constexpr int kInFlight = 64;
constexpr uint64_t kLogTable = 1;
constexpr uint64_t kEntryTable = 2;
constexpr size_t kKeyBytes = 16;
// So that key, value and what encodes them are as many bytes as a record's payload.
constexpr size_t kValueBytes = kPayloadBytes - kKeyBytes - entry::kHeaderBytes;

// A round of load and a gigabyte must fit.
constexpr char kRoomForPages[] =
    "entries:\n  total_memory: 8GiB\n  table_memory: 6GiB\n  page_size: 16MiB\n";

std::string KeyOf(uint64_t number) { return absl::StrFormat("key %012d", number); }

v1::PutRequest MakePutRequest(uint64_t first, size_t entries) {
  v1::PutRequest request;
  request.set_region_id(1);
  request.set_table_id(kEntryTable);
  request.set_durability(v1::DURABILITY_SYNC);
  for (uint64_t number = first; number < first + entries; ++number) {
    v1::Entry* const entry = request.add_entries();
    entry->set_key(KeyOf(number));
    entry->set_value(MakePayload(kValueBytes, number));
  }
  return request;
}

// `count` entries, `step` in one request.
std::vector<v1::PutRequest> MakePutRequests(uint64_t count, size_t step) {
  std::vector<v1::PutRequest> requests;
  for (uint64_t first = 0; first < count; first += step) {
    requests.push_back(MakePutRequest(first, step));
  }
  return requests;
}

absl::StatusOr<Measurement> Throughput(const absl::StatusOr<LoadResult>& load) {
  if (!load.ok()) return load.status();
  return Measurement{load->OperationsPerSecond(), load->latency};
}

absl::StatusOr<Measurement> BytesPerSecond(const absl::StatusOr<ReadResult>& read,
                                           uint64_t records) {
  if (!read.ok()) return read.status();
  if (read->records != records) {
    return absl::DataLossError(
        absl::StrCat("streamed ", read->records, " where ", records, " were expected"));
  }
  return Measurement{static_cast<double>(read->payload_bytes) / 1e6 / read->seconds,
                     read->between_messages};
}

}  // namespace

RowResult RunPutRow(const Options& options) {
  const std::vector<v1::PutRequest> puts = MakePutRequests(options.Scale(65536, 256), 1);
  const std::vector<v1::AppendRequest> appends = {MakeAppendRequest(1, kLogTable, 1)};
  const auto measure = [&](auto load) -> absl::StatusOr<Measurement> {
    auto server = ServerProcess::StartWalden(options, "walden", kRoomForPages);
    if (!server.ok()) return server.status();
    absl::StatusOr<Measurement> measured = Throughput(load(server->channel()));
    if (absl::Status status = server->Stop(); !status.ok()) return status;
    return measured;
  };
  const auto put = [&] {
    return measure([&](const ChannelPtr& channel) {
      return RunPuts(channel, puts, kInFlight, OneRound(options));
    });
  };
  const auto append = [&] {
    return measure([&](const ChannelPtr& channel) {
      return RunAppends(channel, appends, kInFlight, OneRound(options));
    });
  };
  auto rounds = MeasureRounds(options, put, append);
  if (!rounds.ok()) return rounds.status();
  return std::vector{MakeFigure({.title = "Put SYNC, 1 KiB, 64 in flight",
                                 .unit = "/s",
                                 .ceiling = "Append of as many bytes",
                                 .latency_of = "call"},
                                *rounds, ShareAtLeast(0.90))};
}

RowResult RunGetRow(const Options& options) {
  const uint64_t keys = options.Scale(65536, 256);
  std::vector<v1::GetRequest> gets(keys);
  for (uint64_t i = 0; i < keys; ++i) {
    gets[i].set_region_id(1);
    gets[i].set_table_id(kEntryTable);
    gets[i].add_keys(KeyOf(i * 7919 % keys));
  }
  const auto measure_walden = [&]() -> absl::StatusOr<Measurement> {
    auto server = ServerProcess::StartWalden(options, "walden", kRoomForPages);
    if (!server.ok()) return server.status();
    const std::vector<v1::PutRequest> puts = MakePutRequests(keys, 256);
    auto put = RunPuts(server->channel(), puts, 1, {.seconds = 600, .max_operations = puts.size()});
    if (!put.ok()) return put.status();
    auto measured = Throughput(RunGets(server->channel(), gets, kInFlight, OneRound(options)));
    if (absl::Status status = server->Stop(); !status.ok()) return status;
    return measured;
  };
  const auto measure_ceiling = [&]() -> absl::StatusOr<Measurement> {
    auto server = ServerProcess::StartNull(options, "null", {.read_payload_bytes = kValueBytes});
    if (!server.ok()) return server.status();
    return Throughput(RunGets(server->channel(), gets, kInFlight, OneRound(options)));
  };
  auto rounds = MeasureRounds(options, measure_walden, measure_ceiling);
  if (!rounds.ok()) return rounds.status();
  return std::vector{MakeFigure({.title = "Get of a key in memory, 64 in flight",
                                 .unit = "/s",
                                 .ceiling = "server that answers with a constant entry",
                                 .latency_of = "call"},
                                *rounds, ShareAtLeast(0.90))};
}

RowResult RunFlushRow(const Options& options) {
  constexpr size_t kBatch = 256;
  const uint64_t batches = options.Scale(1024 * kMiB, 16 * kMiB) / (kBatch * kPayloadBytes);
  const uint64_t records = batches * kBatch;
  auto server = ServerProcess::StartWalden(options, "walden", kRoomForPages);
  if (!server.ok()) return server.status();
  auto appended = RunAppendStream(server->channel(), MakeAppendRequest(1, kLogTable, kBatch), 16,
                                  {.seconds = 600, .max_operations = batches});
  if (!appended.ok()) return appended.status();
  for (uint64_t batch = 0; batch < batches; ++batch) {
    auto put = RunPuts(server->channel(), {MakePutRequest(batch * kBatch, kBatch)}, 1,
                       {.seconds = 600, .max_operations = 1});
    if (!put.ok()) return put.status();
  }
  v1::FlushRequest flush;
  flush.set_region_id(1);
  flush.set_table_id(kEntryTable);
  v1::ReadRequest read;
  read.set_region_id(1);
  read.set_table_id(kLogTable);
  auto rounds = MeasureRounds(
      options, [&] { return BytesPerSecond(RunFlush(server->channel(), flush), records); },
      [&] { return BytesPerSecond(RunRead(server->channel(), read), records); });
  if (!rounds.ok()) return rounds.status();
  if (absl::Status status = server->Stop(); !status.ok()) return status;
  return std::vector{MakeFigure(
      {.title = absl::StrCat("Flush of ", records * kPayloadBytes / kMiB, " MiB in 1 KiB entries"),
       .unit = "MB/s",
       .ceiling = "Read of as many bytes",
       .latency_of = "between messages"},
      *rounds, ShareAtLeast(0.80))};
}

RowResult RunEntryOverhead(const Options& options) {
  const uint64_t count = options.Scale(1'000'000, 10'000);
  const auto overhead_of = [count](uint64_t stride) {
    MemoryBudget budget(UINT64_MAX);
    entry::Page page(&budget);
    uint64_t data_bytes = 0;
    std::string payload;
    for (uint64_t i = 0; i < count; ++i) {
      const std::string key = KeyOf(i * stride % count);
      const entry::EntryView view{.key = key, .value = "12345678"};
      payload.resize(entry::EncodedBytes(view));
      entry::Encode(view, payload.data());
      page.Insert(i + 1, payload, entry::Decode(payload)->key);
      data_bytes += view.key.size() + view.value.size();
    }
    return static_cast<double>(page.memory_bytes() - data_bytes) / static_cast<double>(count);
  };
  const std::vector<RoundPair> in_order = {{.walden = {.value = overhead_of(1)}}};
  const std::vector<RoundPair> mixed = {{.walden = {.value = overhead_of(7919)}}};
  return std::vector{
      MakeFigure({.title = "memory of an entry beside key and value, keys in order", .unit = "B"},
                 in_order, Aim()),
      MakeFigure({.title = "memory of an entry beside key and value, keys mixed", .unit = "B"},
                 mixed, Aim())};
}

}  // namespace walden::bench
