// Batches over several tables as lines of JSON.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "walden/v1/wal.pb.h"

namespace walden::cli {

// The tables and payloads of one batch, from a list of records as `read --json` prints them:
// [{"table":1,"payload":"a"},{"table":2,"payload_base64":"Yg=="}]. One record need not be in a
// list. "sequence" is left out. Each table is there once, in the order of its first record.
// BAD_INPUT for anything else, without saying where. Any thread.
absl::StatusOr<std::vector<v1::TableAppend>> BatchFromJson(absl::string_view text);

}  // namespace walden::cli
