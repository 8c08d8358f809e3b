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
#include "engine/segment/metadata_file.h"
#include "engine/segment/segment_scan.h"

namespace walden::segment {

struct RegionDirectory {
  std::string path;
  std::string shown_path;  // relative to the data directory
  // How files are opened to be looked at.
  FileSystem::OpenMode mode = FileSystem::OpenMode::kReadOnly;
  // Indexes are made coarser until all together take no more memory, about.
  uint64_t max_index_bytes = UINT64_MAX;
};

struct ScannedSegment {
  uint64_t id = 0;
  uint64_t bytes = 0;  // as the metadata says
  SequenceNumber expected = 1;
  bool missing = false;
  bool short_file = false;  // the file is smaller than `bytes`
  std::optional<int64_t> written_unix_millis;
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
  bool damaged() const;
  std::vector<DamagedRange> Damaged(const RegionDirectory& directory) const;
};

// `progress` gets the bytes walked so far and in all; false stops (CANCELLED). NOT_FOUND if there
// is no such directory; DATA_LOSS if the metadata is damaged or missing.
absl::StatusOr<RegionScan> ScanRegion(
    FileSystem* file_system, const RegionDirectory& directory,
    absl::FunctionRef<bool(uint64_t done, uint64_t total)> progress);

}  // namespace walden::segment
