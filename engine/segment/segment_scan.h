// Walks one segment file as recovery, `verify` and `inspect` do, and tells a clean end, a torn
// tail, damage and an I/O error apart. Changes nothing. The rules are in FORMAT.md, "The end of the
// log".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "engine/io/file_system.h"
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

// The last write, cut by a crash. Bytes [begin, end) are what is left of it.
struct TornTail {
  uint64_t begin = 0;
  uint64_t end = 0;
  std::string reason;
};

// What is known from elsewhere (the region's metadata) about where the segment's records end.
struct KnownEnd {
  std::optional<uint64_t> offset;  // position behind the last record
  SequenceNumber next = 0;         // number behind the last record
};

struct ScannedProducer {
  uint64_t id = 0;
  uint64_t sequence = 0;
  TableId table = 0;
  SequenceNumber first = 0;
  SequenceNumber last = 0;
};

struct SegmentScan {
  SegmentIndex index;
  std::vector<ScannedProducer> producers;
  uint64_t end = 0;  // where the next record would go
  uint64_t last_barrier =
      0;                     // position of the last record with a barrier: all before it is durable
  SequenceNumber first = 0;  // of all records; both 0 when there is none
  SequenceNumber last = 0;
  SequenceNumber next = 0;  // expected behind the last record
  std::vector<Damage> damage;
  std::optional<TornTail> torn;
  uint64_t records = 0;
  absl::flat_hash_map<TableId, SequenceNumber> table_last;
};

struct SegmentScanOptions {
  uint64_t size = 0;                  // of the segment
  SequenceNumber expected = 1;        // number that its first record should have
  SequenceNumber reserved = 0;        // numbers through this one may have been jumped over
  std::optional<KnownEnd> known_end;  // set: anything short of it is damage. Unset: a crash may
                                      // have cut the last write
  std::vector<Damage> known_damage;   // to pass over, ordered
  // Called now and then with the position; returns false to stop early (the scan is then cut
  // there).
  absl::FunctionRef<bool(uint64_t offset)> progress;
};

// UNAVAILABLE on an I/O error, CANCELLED if `progress` said so.
absl::StatusOr<SegmentScan> ScanSegment(const File& file, const SegmentScanOptions& options);

}  // namespace walden::segment
