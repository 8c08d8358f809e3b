// Reading a whole table through the daemon, against a server that streams one message over and
// over.
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/bench/figures.h"
#include "tests/bench/payload.h"
#include "tests/bench/rows/append.h"
#include "tests/bench/rows/rows.h"
#include "tests/bench/server_process.h"

namespace walden::bench {
namespace {

constexpr size_t kBatchRecords = 256;

absl::Status CheckWhole(const ReadResult& read, uint64_t records) {
  if (read.records == records && read.payload_bytes == records * kPayloadBytes) {
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrCat("read ", read.records, " records with ",
                                          read.payload_bytes, " bytes where ", records,
                                          " records of ", kPayloadBytes, " bytes were expected"));
}

absl::StatusOr<Measurement> ReadFrom(absl::StatusOr<ServerProcess> server,
                                     const v1::ReadRequest& request) {
  if (!server.ok()) return server.status();
  v1::ReadRequest warm_up = request;
  warm_up.set_max_records(request.max_records() / 8);
  if (auto read = RunRead(server->channel(), warm_up); !read.ok()) return read.status();
  auto read = RunRead(server->channel(), request);
  if (!read.ok()) return read.status();
  if (auto status = CheckWhole(*read, request.max_records()); !status.ok()) return status;
  if (auto status = server->Stop(); !status.ok()) return status;
  return Measurement{static_cast<double>(read->payload_bytes) / 1e6 / read->seconds,
                     read->between_messages};
}

}  // namespace

namespace {

RowResult RunReadRow(const Options& options, const EngineOfRow& engine) {
  const uint64_t batches = options.Scale(1024 * kMiB, 16 * kMiB) / (kBatchRecords * kPayloadBytes);
  auto walden = ServerProcess::StartWalden(options, "walden", engine.configuration);
  if (!walden.ok()) return walden.status();
  auto written = RunAppendStream(walden->channel(), MakeAppendRequest(1, 1, kBatchRecords), 16,
                                 {.seconds = 600, .max_operations = batches});
  if (!written.ok()) return written.status();

  v1::ReadRequest request;
  request.set_region_id(1);
  request.set_table_id(1);
  request.set_max_records(batches * kBatchRecords);
  // Not counted; says how many records the daemon puts into a message, and the null server does it
  // the same way.
  auto first = RunRead(walden->channel(), request);
  if (!first.ok()) return first.status();
  if (absl::Status status = walden->Stop(); !status.ok()) return status;

  // Every round has servers of its own, as in append.cc, and reads a part before it counts.
  const NullServerOptions null_options = {.read_records_per_message = first->records_per_message,
                                          .read_payload_bytes = kPayloadBytes};
  auto rounds = MeasureRounds(
      options,
      [&] {
        return ReadFrom(ServerProcess::StartWalden(options, "walden", engine.configuration),
                        request);
      },
      [&] { return ReadFrom(ServerProcess::StartNull(options, "null", null_options), request); });
  if (!rounds.ok()) return rounds.status();
  const uint64_t mib = batches * kBatchRecords * kPayloadBytes / kMiB;
  Figure figure =
      MakeFigure({.title = absl::StrCat("Read of ", mib, " MiB in 1 KiB records", engine.suffix),
                  .unit = "MB/s",
                  .ceiling = "server that streams the same messages, prebuilt",
                  .latency_of = "between messages"},
                 *rounds, ShareAtLeast(0.80));
  AddDetail(figure, "records in a message", static_cast<double>(first->records_per_message), "");
  return std::vector{figure};
}

}  // namespace

RowResult RunReadRow(const Options& options) { return RunReadRow(options, kSegmentEngine); }
RowResult RunRocksdbRead(const Options& options) { return RunReadRow(options, kRocksdbEngine); }

}  // namespace walden::bench
