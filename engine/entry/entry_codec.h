// Row entries to and from the payloads of their records (entry_format.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/entry/entry_format.h"
#include "engine/types.h"

namespace walden::entry {

// What a client puts, or, with an empty key, a flush marker. The views belong to somebody else.
struct EntryView {
  RecordKind kind = RecordKind::kValue;
  absl::string_view key;
  absl::string_view value;
  std::optional<int64_t> created_unix_ms;
  std::optional<int64_t> expires_unix_ms;

  bool hidden_at(int64_t unix_ms) const {
    return kind != RecordKind::kValue || (expires_unix_ms && *expires_unix_ms <= unix_ms);
  }
};

size_t EncodedBytes(const EntryView& entry);

// Writes EncodedBytes(entry) bytes and returns the end. The key must have 1 to kMaxKeyBytes bytes,
// a tombstone no value.
char* Encode(const EntryView& entry, char* to);

// The payload of a flush marker.
absl::string_view FlushMarker();

// The entry that a payload is; nullopt if it is none.
std::optional<EntryView> Decode(absl::string_view payload);

// What to tell about a payload that is none: DATA_LOSS (CORRUPTION).
absl::Status NotAnEntry(TableId table, SequenceNumber sequence);

}  // namespace walden::entry
