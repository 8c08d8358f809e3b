// Which table files a RocksDB manifest names. Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "absl/strings/string_view.h"

namespace walden::rocks {

// The size of each table by number, after all edits of `manifest`, the bytes of the file up to the
// first that are no valid record. nullopt if an edit is of a kind that this code does not know.
// Layout: RocksDB's db/version_edit.cc.
std::optional<std::map<uint64_t, uint64_t>> TablesOfManifest(absl::string_view manifest);

}  // namespace walden::rocks
