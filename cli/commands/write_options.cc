#include "cli/commands/write_options.h"

namespace walden::cli {

void AddWriteOptions(CLI::App& command, WriteOptions& options) {
  auto* sync = command.add_flag("--sync", options.sync, "Answered only when durable");
  command.add_flag("--buffered", options.buffered, "Answered when written, durable soon after")
      ->excludes(sync);
  command
      .add_option("--expect-next", options.expect_next,
                  "Refuse unless the table's next sequence is this; each further batch must\n"
                  "follow the one before it, so only one is in flight")
      ->transform(Number(1))
      ->type_name("SEQUENCE");
  AddRegionVersion(command, options.region_version);
}

void AddRegionVersion(CLI::App& command, std::optional<uint64_t>& region_version) {
  command
      .add_option("--region-version", region_version,
                  "Refuse if the region has seen a higher version (fencing)")
      ->transform(Number())
      ->type_name("N");
}

}  // namespace walden::cli
