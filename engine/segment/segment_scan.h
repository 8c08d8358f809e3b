// Scans one segment file for recovery, `verify` and `inspect`. Distinguishes a clean end, a torn
// tail, damage and an I/O error. Changes nothing. The rules are in FORMAT.md, "The end of the log".
// segment_scan_v1.h scans segments of version 1.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "engine/common/producer_table.h"
#include "engine/io/file_system.h"
#include "engine/segment/append_times.h"
#include "engine/segment/segment_header.h"
#include "engine/segment/segment_index.h"
#include "engine/types.h"

namespace walden::segment {

// Bytes [begin, end) of a segment that are not what was written; records numbered first..last are
// lost with them (both 0: none are).
struct Damage {
  uint64_t begin = 0;
  uint64_t end = 0;
  SequenceNumber first = 0;
  SequenceNumber last = 0;
  std::string reason;
};

// The last write, cut by a crash. Bytes [begin, end) hold its remains.
struct TornTail {
  uint64_t begin = 0;
  uint64_t end = 0;
  std::string reason;
};

// The end of the segment's records according to the region's metadata.
struct KnownEnd {
  std::optional<uint64_t> offset;  // position behind the last record
  SequenceNumber next = 0;         // number behind the last record
};

// A batch that a producer sent.
struct ScannedProducer {
  uint64_t id = 0;
  uint64_t sequence = 0;
  std::vector<ProducerRange> tables;
};

struct SegmentScan {
  SegmentIndex index;
  std::vector<ScannedProducer> producers;  // of version 2
  uint64_t end = 0;                        // of the last record
  uint64_t durable_end = 0;  // everything before it was durable, by the file and the metadata
  SequenceNumber durable_next = 0;  // expected there or higher, if anything before it is damaged
  SequenceNumber first = 0;         // of all records; both 0 when there is none
  SequenceNumber last = 0;
  SequenceNumber next = 0;  // expected behind the last record
  std::vector<Damage> damage;
  // The highest number in a damaged group of which records were kept: its producers were not.
  SequenceNumber producers_lost_through = 0;
  std::optional<TornTail> torn;
  uint64_t records = 0;
  absl::flat_hash_map<TableId, SequenceNumber> table_last;
  // Facts from the heads of groups (version 2).
  uint64_t metadata_append = 0;                // the metadata must have this write
  uint64_t metadata_append_at = 0;             // position of the group that says so
  std::optional<int64_t> written_unix_micros;  // when the last one was written
  AppendTimes append_times;
};

struct SegmentScanOptions {
  // The header in the metadata. Its alignment decides by which version's rules the segment is read.
  SegmentHeader header;
  SequenceNumber expected = 1;  // number that its first record should have
  SequenceNumber reserved = 0;  // numbers through this one may have been jumped over
  // If set, whatever is missing before it is damage. If unset, a crash may have cut the last write.
  std::optional<KnownEnd> known_end;
  // For a segment without a known end: all before `durable_end` was durable, `durable_next` is the
  // number expected there, and no byte was written from `reach` on.
  uint64_t durable_end = 0;
  SequenceNumber durable_next = 0;
  uint64_t reach = 0;
  std::vector<Damage> known_damage;  // to pass over, ordered
  // Called from time to time with the position; returns false to stop the scan (CANCELLED).
  absl::FunctionRef<bool(uint64_t offset)> progress;
};

// UNAVAILABLE on an I/O error, CANCELLED if `progress` said so.
absl::StatusOr<SegmentScan> ScanSegment(const File& file, const SegmentScanOptions& options);

}  // namespace walden::segment
