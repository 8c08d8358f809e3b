// The description of a region: its tables, its segments, its damaged ranges and the report of its
// last opening.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/types.h"

namespace walden {

struct DamagedRange {
  std::string file;     // relative to the data directory
  uint64_t offset = 0;  // bytes [offset, offset + length)
  uint64_t length = 0;
  SequenceNumber first = 0;  // numbers that the bytes may have held, inclusive
  SequenceNumber last = 0;
  std::string reason;
  std::optional<TableId> table = std::nullopt;  // whose numbers they are; none: the region's
};

struct OpeningReport {
  enum class Outcome { kClean, kTornTail, kQuarantined };
  Outcome outcome = Outcome::kClean;
  uint64_t torn_tail_bytes = 0;
  std::string evidence_file;  // relative to the data directory, empty if none
  std::vector<DamagedRange> damaged;
  uint64_t records_scanned = 0;
  uint64_t bytes_scanned = 0;
  uint64_t duration_micros = 0;
};

struct TableState {
  TableId table = 0;
  SequenceNumber next = 1;
  SequenceNumber deleted_through = 0;
  SequenceNumber first_live = 0;  // both 0 when none is live
  SequenceNumber last_live = 0;
  TableKind kind = TableKind::kLog;
  SequenceNumber durable_through = 0;  // TablePosition::durable_through
};

struct SegmentTableRange {
  TableId table = 0;
  SequenceNumber first = 0;
  SequenceNumber last = 0;
};

struct SegmentDescription {
  uint64_t id = 0;
  std::string file;  // relative to the data directory; its name alone in an inspection
  uint64_t allocated_bytes = 0;
  uint64_t used_bytes = 0;
  // About how many of the used bytes are the file's head and live records. The other used bytes are
  // deleted records, or records about producers.
  uint64_t live_bytes = 0;
  SequenceNumber first = 0;  // both 0 when the segment holds no record
  SequenceNumber last = 0;
  std::vector<SegmentTableRange> tables;  // live ones, ordered by table
};

struct RegionDescription {
  std::vector<TableState> tables;  // ordered by table
  OpeningReport opening;
  uint64_t region_version = 0;
  std::vector<SegmentDescription> segments;  // in log order; empty for engines without segments
  uint64_t allocated_bytes = 0;
  uint64_t live_bytes = 0;
};

// Where a page of a description begins. The parts follow each other in this order.
struct DescribeCursor {
  enum class Part : uint8_t { kTables = 0, kDamage = 1, kSegments = 2 };
  Part part = Part::kTables;
  // The lowest table id, index of a damaged range, or segment id on the page.
  uint64_t from = 0;
  TableId table = 0;  // of the segment `from`: the lowest table whose range is on the page

  bool operator==(const DescribeCursor&) const = default;
};

// A part of a region's description. Every page has all fields that are not lists. A segment whose
// ranges do not fit one page is on several pages, each with a part of its ranges.
struct RegionPage {
  RegionDescription description;
  std::optional<DescribeCursor> next;  // none: this was the last page
};

// A page of a description that is in memory as a whole.
RegionPage PageOf(const RegionDescription& whole, const DescribeCursor& from, size_t limit);

// Adds a page's lists to `whole`, and replaces the rest.
void AddPage(RegionPage page, RegionDescription& whole);

struct VerifyProgress {
  uint64_t bytes_checked = 0;
  uint64_t bytes_total = 0;
  uint64_t records_checked = 0;
  std::vector<DamagedRange> findings;  // since the last report
};

}  // namespace walden
