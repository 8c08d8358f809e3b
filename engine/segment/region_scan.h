// Reads a region's directory as recovery does and says what is there; changes nothing. Recovery
// acts on it, `verify` and `inspect` show it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "engine/io/file_system.h"
#include "engine/log_engine.h"
#include "engine/segment/metadata_codec.h"
#include "engine/segment/segment_scan.h"

namespace walden::segment {

struct RegionDirectory {
  std::string path;
  std::string shown_path;  // relative to the data directory
  // Whose it should be; nullopt: whoever's it is.
  std::optional<MetadataIdentity> identity;
  // How files are opened to be looked at.
  FileSystem::OpenMode mode = FileSystem::OpenMode::kReadOnly;
  // Indexes are made coarser until all together take no more memory, about.
  uint64_t max_index_bytes = UINT64_MAX;
};

// Name of the metadata file inside a region's directory.
inline constexpr absl::string_view kMetadataFileName = "metadata";

struct ScannedSegment {
  SegmentHeader header;  // as the metadata has it
  SequenceNumber expected = 1;
  bool missing = false;
  // When its last record was written; of a version 1 segment nobody knows exactly.
  std::optional<int64_t> written_unix_micros;
  SegmentScan scan;
  std::vector<Damage> damage;  // known before and found now, ordered
};

struct RegionScan {
  LoadedMetadata metadata;
  std::vector<ScannedSegment> segments;  // by id; never empty
  std::vector<std::string> leftovers;    // names of segment files that hold nothing of the log
  SequenceNumber next = 1;               // expected behind the last record
  uint64_t records = 0;
  uint64_t bytes = 0;

  bool clean_end() const { return metadata.state.closed.has_value(); }
  // Of all groups: the latest time that one was written at.
  int64_t written_unix_micros() const;
  bool damaged() const;
  std::vector<DamagedRange> Damaged(const RegionDirectory& directory) const;
  // Quarantined ranges of segments that are gone: what they may have held of a table stays lost
  // until it is marked deleted through them.
  std::vector<DamagedRange> Lost(const RegionDirectory& directory) const;
};

// FAILED_PRECONDITION (WRONG_NAMESPACE), with both identities.
absl::Status WrongNamespace(const std::string& shown_path, const MetadataIdentity& found,
                            const MetadataIdentity& wanted);

// `progress` gets the bytes walked so far and in all; false stops (CANCELLED). NOT_FOUND if there
// is no such directory; DATA_LOSS if the metadata is damaged, missing, or older than the segments;
// FAILED_PRECONDITION (WRONG_NAMESPACE) if the directory was written under another identity.
absl::StatusOr<RegionScan> ScanRegion(
    FileSystem* file_system, const RegionDirectory& directory,
    absl::FunctionRef<bool(uint64_t done, uint64_t total)> progress);

}  // namespace walden::segment
