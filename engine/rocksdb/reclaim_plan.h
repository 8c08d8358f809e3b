// Plans which key ranges of a namespace to compact, to free the space of records that were marked
// deleted and of regions that were dropped.
//
// A plan only says where to compact. Marks (mark_filter.h) and RocksDB's own order of writes decide
// which records go, so a plan that is out of date costs work but never a record.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/rocksdb/database.h"
#include "engine/rocksdb/deleted_marks.h"
#include "engine/types.h"

namespace walden::rocks {

// Tables with new marks and dropped regions that were not compacted since.
struct Reclaimable {
  std::set<std::pair<RegionId, TableId>> tables;
  std::set<RegionId> dropped;

  bool empty() const { return tables.empty() && dropped.empty(); }
  void Take(Reclaimable& other);  // leaves `other` empty
};

// One compaction: keys [begin, end).
struct ReclaimStep {
  std::string begin;
  std::string end;
  Reclaimable holds;
  uint64_t deleted_bytes = 0;  // about, in table files
  uint64_t live_bytes = 0;     // about, rewritten together with them
};

struct ReclaimPlan {
  std::vector<ReclaimStep> steps;  // in key order
  Reclaimable later;               // would rewrite too much for the space that it frees
  uint64_t later_bytes = 0;
};

// One step for each table file that holds a drop whose compaction an earlier process did not
// finish.
absl::StatusOr<std::vector<ReclaimStep>> StepsForOldDrops(const Database& database);

enum class ReclaimEffort {
  kWorthIt,     // leaves out ranges that rewrite too much for the space that they free
  kEverything,  // compacts all ranges, whatever it costs
};

// Plans one step for neighbouring ranges with little live data between them.
absl::StatusOr<ReclaimPlan> PlanReclaim(const Database& database, const DeletedMarks& marks,
                                        Reclaimable what, ReclaimEffort effort);

}  // namespace walden::rocks
