// Inspects a region's directory offline, with the same reader that recovery uses. Changes nothing
// and takes no lock. Works on a damaged region too. Without readable metadata it reports what the
// segments alone hold.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/io/file_system.h"
#include "engine/log_engine.h"

namespace walden::segment {

struct InspectedSegment {
  SegmentDescription description;  // `tables`: everything stored, deleted or not
  uint64_t records = 0;
  bool missing = false;
  std::vector<DamagedRange> damage;
  // The bytes of the last write that a crash cut; 0, 0 if there are none.
  uint64_t torn_begin = 0;
  uint64_t torn_end = 0;
  std::string torn_reason;
};

struct InspectedRegion {
  // Not OK: the metadata cannot be used, and the fields below come from the segments alone.
  absl::Status metadata;
  bool closed_cleanly = false;
  uint64_t region_version = 0;
  std::vector<TableState> tables;  // by id; live ranges are those above the marks
  std::vector<InspectedSegment> segments;
  std::vector<std::string> leftovers;       // segment files that are not part of the log
  std::vector<std::string> evidence_files;  // what earlier openings cut off
  SequenceNumber next = 1;
};

// `directory` is a region's: .../<namespace>/<region id>. NOT_FOUND if it is no region's directory;
// UNAVAILABLE on an I/O error.
absl::StatusOr<InspectedRegion> InspectRegion(FileSystem* file_system,
                                              const std::string& directory);

}  // namespace walden::segment
