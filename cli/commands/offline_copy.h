// Code that the offline commands share.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cli/commands/command.h"
#include "cli/console/json.h"
#include "engine/common/directory_owner.h"
#include "engine/log_engine.h"

namespace walden::cli {

struct TransferOptions {
  std::string data_directory;
  std::string namespace_name;  // as given, an id too; after FindNamespace the name
  std::string engine;          // "segment" or "rocksdb"
  uint64_t namespace_id = 0;   // 0: not given; after FindNamespace the stored one, or still 0
  uint64_t segment_size_bytes = uint64_t{64} << 20;
};

// --data-dir, --namespace, --namespace-id, --segment-size.
void AddTransferOptions(Command command, TransferOptions& options);

enum class MustExist { kNo, kYes };
// Finds the namespace that --namespace means. INVALID_ARGUMENT if its stored id is another one than
// --namespace-id. NOT_FOUND if the namespace must exist and does not.
absl::Status FindNamespace(TransferOptions& options, MustExist must_exist);

// Of a checked option.
DirectoryOwner EngineNamed(const std::string& name);

Json DamageJson(const std::vector<DamagedRange>& damaged);

// Whole lines.
std::string DamageLines(const std::vector<DamagedRange>& damaged);

// CANCELLED, as an engine says it was stopped, becomes INTERRUPTED; the rest as FromEngine.
absl::Status FromTransfer(const absl::Status& status, absl::string_view command);

}  // namespace walden::cli
