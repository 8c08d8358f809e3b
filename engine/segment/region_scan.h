// Reads a region's directory and reports what is there; changes nothing. Recovery acts on the
// result, `verify` and `inspect` show it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/io/file_system.h"
#include "engine/log_engine.h"
#include "engine/segment/metadata_codec.h"
#include "engine/segment/metadata_file.h"
#include "engine/segment/segment_scan.h"

namespace walden::segment {

struct RegionDirectory {
  std::string path;
  std::string shown_path;  // relative to the data directory
  // The identity that the metadata must have; nullopt accepts any.
  std::optional<MetadataIdentity> identity;
  // The mode in which files are opened.
  FileSystem::OpenMode mode = FileSystem::OpenMode::kReadOnly;
  // Indexes are made coarser until all of them together take about this much memory.
  uint64_t max_index_bytes = UINT64_MAX;
};

struct ScannedSegment {
  SegmentHeader header;  // as the metadata has it
  SequenceNumber expected = 1;
  bool missing = false;
  // The time when the last record was written. Not known for a version 1 segment.
  std::optional<int64_t> written_unix_micros;
  // The last write to the file of a version 1 segment, or to the copy that it is, before anything
  // was repaired.
  absl::Time file_written = absl::UnixEpoch();
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
  // The latest append time of all groups.
  int64_t written_unix_micros() const;
  bool damaged() const;
  std::vector<DamagedRange> Damaged(const RegionDirectory& directory) const;
  // Quarantined ranges of segments that are gone. Each table counts as having lost records in them
  // until it is marked deleted through them.
  std::vector<DamagedRange> Lost(const RegionDirectory& directory) const;
};

// The error FAILED_PRECONDITION (WRONG_NAMESPACE), which names both identities.
absl::Status WrongNamespace(const std::string& shown_path, const MetadataIdentity& found,
                            const MetadataIdentity& wanted);

// `progress` gets the bytes walked so far and the bytes in all; it returns false to stop
// (CANCELLED). NOT_FOUND if there is no such directory; DATA_LOSS if the metadata is damaged,
// missing, or older than the segments; FAILED_PRECONDITION (WRONG_NAMESPACE) if the directory was
// written under another identity.
absl::StatusOr<RegionScan> ScanRegion(
    FileSystem* file_system, const RegionDirectory& directory,
    absl::FunctionRef<bool(uint64_t done, uint64_t total)> progress);

}  // namespace walden::segment
