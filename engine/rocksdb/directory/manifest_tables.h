// Which table files and logs a RocksDB manifest relies on. Any thread.
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

// The lowest number of a log whose records may not be in tables, by the same edits. 0 if they name
// none, or have several column families.
uint64_t OldestLogOfManifest(absl::string_view manifest);

}  // namespace walden::rocks
