// The places of each table's records in one segment.
//
// The index takes a small share of the segment's size in memory: runs of one table that lie close
// together are one extent, and a reader passes over the few records of other tables inside it.
// Where small records of many tables alternate, the index can still take a sixth of the segment's
// size. Coarsen() halves that, and readers then pass over more. Not thread-safe; PublishedLog
// guards it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "engine/types.h"

namespace walden::segment {

// Consecutive records of one table, at most about kMaxRunBytes unless it is a single record.
struct Run {
  TableId table = 0;
  SequenceNumber first = 0;
  SequenceNumber last = 0;
  uint32_t begin = 0;  // bytes [begin, end) of the segment
  uint32_t end = 0;
};

inline constexpr uint32_t kMaxRunBytes = 64 << 10;

// Runs of a table with at most this many bytes between them share an extent: room for the padding
// and head between two groups, and for a few records of other tables.
inline constexpr uint32_t kMergeGapBytes = 1152;

struct Extent {
  SequenceNumber first = 0;  // of its table
  uint32_t begin = 0;
  uint32_t end = 0;
};

class SegmentIndex {
 public:
  struct Range {
    SequenceNumber first = 0;
    SequenceNumber last = 0;
  };

  // Adds a run. Runs come in order of position.
  void Add(const Run& run);

  // No extent will span this position, before which bytes are damaged.
  void Fence(uint32_t position) { fence_ = position; }

  // The range of the table's live records; nullopt if there is none.
  std::optional<Range> LiveRange(TableId table) const;

  // Extents that may hold records of the table numbered `from` or higher, in order, at most
  // `limit`.
  std::vector<Extent> ExtentsFrom(TableId table, SequenceNumber from, size_t limit) const;

  // Removes the table's records numbered below `first_live`, which is a record of the table in this
  // segment or higher than its last. Returns whether a record of the table is left.
  bool RaiseFirst(TableId table, SequenceNumber first_live);

  bool empty() const { return tables_.empty(); }
  // Tables that have live records, in order.
  const absl::btree_set<TableId>& tables() const { return ids_; }

  // Bytes of live records with their headers, and number of live records: of all tables, or of one.
  // Bytes between the runs of an extent belong to other tables and do not count. Estimates after
  // RaiseFirst cut through a table's records: by the share of its extents that is left.
  uint64_t LiveBytes() const { return live_bytes_; }
  uint64_t LiveBytes(TableId table) const;
  uint64_t LiveRecords() const { return live_records_; }
  uint64_t LiveRecords(TableId table) const;

  // Gives unused memory back. Call it when no more runs will come.
  void Seal();

  // Bytes of memory, estimated.
  uint64_t MemoryBytes() const {
    return extents_ * sizeof(Extent) + tables_.size() * kTableMemoryBytes;
  }

  // Whether some table has two extents.
  bool CanCoarsen() const { return extents_ > tables_.size(); }

  // Joins each pair of neighbouring extents of a table. Not for segments with damage, which no
  // extent may span.
  void Coarsen();

 private:
  struct Table {
    Range live;
    std::vector<Extent> extents;
    uint64_t bytes = 0;    // of its records, about
    uint64_t records = 0;  // about
  };

  // Bytes of the two containers for one table, without its extents.
  static constexpr uint64_t kTableMemoryBytes = 160;

  void CutTo(Table& table, SequenceNumber first_live);

  absl::flat_hash_map<TableId, Table> tables_;
  absl::btree_set<TableId> ids_;  // the keys of tables_, so that they can be walked in parts
  uint64_t live_bytes_ = 0;
  uint64_t live_records_ = 0;
  uint64_t extents_ = 0;  // of all tables
  uint32_t fence_ = 0;
};

}  // namespace walden::segment
