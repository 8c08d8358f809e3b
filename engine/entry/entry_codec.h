// Encodes row entries as payloads of records, and decodes them (entry_format.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/entry/entry_format.h"
#include "engine/types.h"

namespace walden::entry {

// A row entry that a client puts; with an empty key, a flush marker. The caller owns the bytes.
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

// Decodes a payload; nullopt if it is not a valid entry.
std::optional<EntryView> Decode(absl::string_view payload);

// The error for a payload that is not a valid entry: DATA_LOSS (CORRUPTION).
absl::Status NotAnEntry(TableId table, SequenceNumber sequence);

}  // namespace walden::entry
