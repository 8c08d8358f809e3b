// Scans a segment file of format version 1 (format_v1.h), by the rules of that version (FORMAT.md,
// "Version 1"). Changes nothing.
#pragma once

#include "absl/status/statusor.h"
#include "engine/io/file_system.h"
#include "engine/segment/segment_scan.h"

namespace walden::segment::v1 {

// As segment::ScanSegment.
absl::StatusOr<SegmentScan> ScanSegment(const File& file, const SegmentScanOptions& options);

}  // namespace walden::segment::v1
