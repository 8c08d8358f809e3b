// What the offline commands `migrate` and `import` have in common.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cli/console/json.h"
#include "cli/session.h"
#include "engine/common/directory_owner.h"
#include "engine/log_engine.h"

namespace walden::cli {

struct TransferOptions {
  std::string data_directory;
  std::string namespace_name;
  std::string engine;  // "segment" or "rocksdb"
  uint64_t namespace_id = 1;
  uint64_t segment_size_bytes = uint64_t{64} << 20;
};

// --data-dir, --namespace, --namespace-id, --segment-size.
void AddTransferOptions(CLI::App& command, TransferOptions& options);

// Of a checked option.
DirectoryOwner EngineNamed(const std::string& name);

Json DamageJson(const std::vector<DamagedRange>& damaged);

// Whole lines.
std::string DamageLines(const std::vector<DamagedRange>& damaged);

// CANCELLED, as an engine says it was stopped, becomes INTERRUPTED; the rest as FromEngine.
absl::Status FromTransfer(const absl::Status& status, absl::string_view command);

}  // namespace walden::cli
