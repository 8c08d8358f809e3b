// The findings of an offline look at a namespace's RocksDB directory, as text and JSON.
#pragma once

#include <cstddef>
#include <string>

#include "cli/console/json.h"
#include "engine/rocksdb/directory/inspect.h"

namespace walden::cli {

// Damaged places, and a directory that cannot be opened. A torn tail is none.
size_t DamageCount(const rocks::InspectedNamespace& space);

// Whole lines.
std::string InspectionText(const rocks::InspectedNamespace& space);

// Field names as in proto/walden/v1, where it has them.
Json InspectionJson(const rocks::InspectedNamespace& space);

}  // namespace walden::cli
