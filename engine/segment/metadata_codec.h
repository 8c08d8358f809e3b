// Reads and writes the bytes of a `metadata` file (metadata_format.h). Nothing here writes files;
// any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "engine/io/file_system.h"
#include "engine/segment/metadata_state.h"

namespace walden::segment {

// A file that LoadMetadata read.
struct LoadedMetadata {
  MetadataState state;
  // nullopt for version 1, which does not store an identity.
  std::optional<MetadataIdentity> identity;
  std::string bytes;  // header and entries, as read
  uint64_t end = 0;   // where the next entry goes
  uint64_t last_append = 0;
  uint64_t torn_bytes = 0;  // of a cut write after the last entry

  bool version_1() const { return !identity.has_value(); }
};

// Reads the entries of a metadata file of either version. DATA_LOSS with the offset if an entry is
// damaged or the file is shorter than it was made. A write that a crash cut was never acknowledged
// and ends the file. `shown_path` is for messages.
absl::StatusOr<LoadedMetadata> LoadMetadata(const File& file, const std::string& shown_path);

// The identity in a file's header; nullopt if the header is not a sound one of version 2.
absl::StatusOr<std::optional<MetadataIdentity>> ReadMetadataIdentity(const File& file);

std::string EncodeMetadataHeader(const MetadataIdentity& identity, uint64_t size);
std::string EncodeEntries(absl::Span<const MetadataEntry> entries, uint64_t append_number);

// DATA_LOSS: the region cannot be served without this file.
absl::Status DamagedMetadata(const std::string& path, uint64_t offset, absl::string_view what);

}  // namespace walden::segment
