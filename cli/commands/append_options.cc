#include "cli/commands/append_options.h"

#include "cli/console/failure.h"

namespace walden::cli {

void AddAppendOptions(Command command, AppendOptions& options) {
  command.AddRegion(options.region).Required();
  const Option table = command.Add("-t,--table", options.table, "Table id, unless --batches")
                           .Check(Number())
                           .Value("ID");
  const Option payloads = command.Add("payloads", options.payloads, "A record per argument");
  command.Add("-f,--file", options.file, "Take records from this file (- is standard input)")
      .Value("FILE")
      .Excludes(payloads);
  const Option lengths =
      command
          .AddFlag("--length-delimited", options.length_delimited,
                   "The input has the length of each record before it (u32, big-endian), not lines")
          .Excludes(payloads);
  command
      .AddFlag("--batches", options.batches,
               "Each argument or line is a batch over one or more tables, not a record")
      .Excludes(table)
      .Excludes(lengths);
  command.Add("--batch-records", options.batch_records, "Records per batch at most (default 256)")
      .Check(Number(1))
      .Value("N");
  command
      .Add("--batch-bytes", options.batch_bytes,
           "Payload bytes per batch at most (default 1MiB); one record may exceed it")
      .Check(ByteSize(1, uint64_t{2} << 30))
      .Value("SIZE");
  command
      .Add("--in-flight", options.in_flight, "Batches sent before an answer is needed (default 16)")
      .Check(Number(1, 4096))
      .Value("N");
  AddWriteOptions(command, options.write);
  const Option producer =
      command
          .Add("--producer", options.producer,
               "Producer id (from `walden open-producer`) by which batches are numbered: the same\n"
               "command on the same file again stores nothing twice")
          .Check(Number(1))
          .Value("ID");
  command
      .Add("--producer-start", options.producer_start,
           "Number of the first batch (default 1): 1 above the producer's last stored batch")
      .Check(Number(1))
      .Needs(producer)
      .Value("N");
  command
      .Add("--retry-for", options.retry_for_millis,
           "Send batches again, without storing any twice, after a lost connection or while\n"
           "the daemon has no room. Give up after this long without progress (default with\n"
           "--producer: 1m). Without --producer a new producer is opened")
      .Check(Millis())
      .Value("DURATION");
}

absl::Status CheckAppendOptions(const AppendOptions& options) {
  const auto wrong = [](absl::string_view problem) {
    return Failure(absl::StatusCode::kInvalidArgument, kReasonBadInput, problem);
  };
  if (!options.batches) {
    return options.table ? absl::OkStatus()
                         : wrong("give --table, or --batches for several tables");
  }
  if (options.batch_records || options.batch_bytes || options.write.expect_next) {
    return wrong("--batches excludes --batch-records, --batch-bytes and --expect-next");
  }
  return absl::OkStatus();
}

}  // namespace walden::cli
