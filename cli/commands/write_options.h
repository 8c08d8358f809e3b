// Options that the commands which write share.
#pragma once

#include <cstdint>
#include <optional>

#include "cli/commands/command.h"
#include "cli/session.h"
#include "walden/v1/common.pb.h"

namespace walden::cli {

// Of `append` and `put`.
struct WriteOptions {
  bool sync = false;
  bool buffered = false;
  std::optional<uint64_t> expect_next;
  std::optional<uint64_t> region_version;
};

// --sync, --buffered, --expect-next, --region-version.
void AddWriteOptions(Command command, WriteOptions& options);

// --region-version.
void AddRegionVersion(Command command, std::optional<uint64_t>& region_version);

// Sets the durability and the region version. The expected sequence differs from batch to batch.
template <typename Request>
void SetWriteOptions(const WriteOptions& options, Request& request) {
  if (options.sync) request.set_durability(v1::DURABILITY_SYNC);
  if (options.buffered) request.set_durability(v1::DURABILITY_BUFFERED);
  if (options.region_version.has_value()) request.set_region_version(*options.region_version);
}

}  // namespace walden::cli
