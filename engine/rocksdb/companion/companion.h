// The contents of a RocksDB namespace's companion file, encoded and decoded (companion_format.h).
// Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "engine/types.h"

namespace walden::rocks {

// The durable beginning of a file.
struct FilePrefix {
  uint64_t length = 0;
  uint32_t crc = 0;  // CRC-32C of these bytes

  friend bool operator==(const FilePrefix&, const FilePrefix&) = default;
};

struct CompanionManifest {
  uint64_t number = 0;  // 0: none
  FilePrefix durable;

  friend bool operator==(const CompanionManifest&, const CompanionManifest&) = default;
};

struct CompanionLog {
  uint64_t number = 0;
  FilePrefix durable;  // length 0: a power cut may have undone its creation

  friend bool operator==(const CompanionLog&, const CompanionLog&) = default;
};

struct Companion {
  enum class State {
    kTaking,  // the next opening takes the directory as it is
    kOpen,
    kClosed,
  };

  uint64_t generation = 0;
  uint64_t salt = 0;  // also in the database (KeyType::kCompanion)
  NamespaceId namespace_id = 0;
  std::string namespace_name;
  State state = State::kTaking;
  uint64_t numbers_through = 0;    // no file of RocksDB's has a higher number
  CompanionManifest manifest;      // that CURRENT names
  CompanionManifest next;          // that CURRENT names if its last change is durable
  std::vector<CompanionLog> logs;  // by number

  friend bool operator==(const Companion&, const Companion&) = default;
};

// Encodes a slot, without the unused bytes at its end. There are at most kMaxCompanionLogs logs.
std::string EncodeSlot(const Companion& companion);

// Decodes a slot; nullopt if it is not valid. `slot` may have unused bytes at its end.
std::optional<Companion> DecodeSlot(absl::string_view slot);

}  // namespace walden::rocks
