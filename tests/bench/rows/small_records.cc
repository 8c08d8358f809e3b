// Small records through AppendStream, many in a message, against the same bytes in large batches.
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/bench/figures.h"
#include "tests/bench/load_client.h"
#include "tests/bench/payload.h"
#include "tests/bench/rows/append.h"
#include "tests/bench/rows/rows.h"
#include "tests/bench/server_process.h"

namespace walden::bench {
namespace {

constexpr size_t kSmallPayloadBytes = 256;
constexpr uint64_t kTables = 100;
constexpr size_t kAppendsPerMessage = 64;
constexpr size_t kBatchRecords = 256;
constexpr uint64_t kRecordsInFlight = 1024;

void SetAppend(uint64_t table, size_t records, v1::AppendRequest* append) {
  append->set_region_id(1);
  append->set_durability(v1::DURABILITY_SYNC);
  v1::TableAppend* const part = append->add_tables();
  part->set_table_id(table);
  for (std::string& payload : MakePayloads(records, kSmallPayloadBytes)) {
    part->add_payloads(std::move(payload));
  }
}

// `appends` in each, of `records`, over all tables in turn.
std::vector<v1::AppendStreamRequest> MakeMessages(size_t appends, size_t records) {
  std::vector<v1::AppendStreamRequest> messages(kTables);
  uint64_t table = 0;
  for (v1::AppendStreamRequest& message : messages) {
    for (size_t i = 0; i < appends; ++i) {
      SetAppend(1 + table++ % kTables, records, message.add_appends()->mutable_append());
    }
  }
  return messages;
}

absl::StatusOr<Measurement> RecordsPerSecond(const Options& options, size_t appends,
                                             size_t records) {
  auto server = ServerProcess::StartWalden(options, "walden", kSegmentEngine.configuration);
  if (!server.ok()) return server.status();
  auto load = RunAppendMessages(server->channel(), MakeMessages(appends, records),
                                kRecordsInFlight / records, OneRound(options));
  if (!load.ok()) return load.status();
  // Opening the region in the next round must not take a part of it.
  absl::Status status = MarkAllDeleted(server->channel(), /*region=*/1, kTables);
  if (status.ok()) status = server->Stop();
  if (!status.ok()) return status;
  return Measurement{load->OperationsPerSecond() * static_cast<double>(records), load->latency};
}

}  // namespace

RowResult RunSmallRecords(const Options& options) {
  auto rounds = MeasureRounds(
      options, [&] { return RecordsPerSecond(options, kAppendsPerMessage, 1); },
      [&] { return RecordsPerSecond(options, 1, kBatchRecords); });
  if (!rounds.ok()) return rounds.status();
  const FigureText text = {
      .title = "AppendStream SYNC, single 256-byte records, 64 in a message, over 100 tables",
      .unit = "records/s",
      .ceiling = "the same in batches of 256 records",
      .latency_of = "append"};
  return std::vector{MakeFigure(text, *rounds, ShareAtLeast(0.50))};
}

}  // namespace walden::bench
