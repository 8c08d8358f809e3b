// Options of `walden append`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "cli/commands/command.h"
#include "cli/commands/write_options.h"

namespace walden::cli {

struct AppendOptions {
  uint64_t region = 0;
  std::optional<uint64_t> table;      // none with `batches`
  bool batches = false;               // each argument or line is a batch over several tables
  std::vector<std::string> payloads;  // or batches
  std::string file;
  bool length_delimited = false;
  std::optional<uint64_t> batch_records;  // none of both with `batches`
  std::optional<uint64_t> batch_bytes;
  uint64_t in_flight = 16;
  WriteOptions write;
  std::optional<uint64_t> producer;
  uint64_t producer_start = 1;
  std::optional<uint64_t> retry_for_millis;

  bool retries() const { return producer.has_value() || retry_for_millis.has_value(); }
  absl::Duration retry_for() const {
    return absl::Milliseconds(static_cast<int64_t>(retry_for_millis.value_or(60'000)));
  }
};

void AddAppendOptions(Command command, AppendOptions& options);

// INVALID_ARGUMENT if there is neither --table nor --batches, or an option of one table's batches
// beside --batches. The help text has no room for all of them.
absl::Status CheckAppendOptions(const AppendOptions& options);

}  // namespace walden::cli
