#include "cli/commands/write_options.h"

namespace walden::cli {

void AddWriteOptions(Command command, WriteOptions& options) {
  const Option sync =
      command.AddFlag("--sync", options.sync, "The daemon answers when the records are durable");
  command
      .AddFlag("--buffered", options.buffered,
               "The daemon answers when they are written; they are durable soon after")
      .Excludes(sync);
  command
      .Add("--expect-next", options.expect_next,
           "Refuse unless the table's next sequence is this number. Each further batch must\n"
           "follow the one before it, so one batch is in flight")
      .Check(Number(1))
      .Value("SEQUENCE");
  AddRegionVersion(command, options.region_version);
}

void AddRegionVersion(Command command, std::optional<uint64_t>& region_version) {
  command
      .Add("--region-version", region_version,
           "Refuse if the region has seen a higher version (fencing)")
      .Check(Number())
      .Value("N");
}

}  // namespace walden::cli
