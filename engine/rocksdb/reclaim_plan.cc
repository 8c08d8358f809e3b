#include "engine/rocksdb/reclaim_plan.h"

#include <algorithm>

#include "engine/rocksdb/keys/key_codec.h"
#include "engine/rocksdb/options/rocksdb_errors.h"

namespace walden::rocks {
namespace {

// A step rewrites at most this many bytes for each byte that it gives back.
constexpr uint64_t kRewrittenPerDeleted = 4;

struct Range {
  std::string begin;
  std::string end;
  Reclaimable holds;
};

// The key ranges to reclaim, in key order, without overlaps.
std::vector<Range> RangesOf(NamespaceId id, const DeletedMarks& marks, const Reclaimable& what) {
  std::vector<Range> ranges;
  for (const RegionId region : what.dropped) {
    Range range{RegionBegin(id, region), RegionEnd(id, region), {}};
    range.holds.dropped.insert(region);
    ranges.push_back(std::move(range));
  }
  for (const auto& [region, table] : what.tables) {
    const SequenceNumber through = marks.Of(region, table);
    if (through == 0 || what.dropped.count(region) > 0) continue;
    Range range{TableBegin(id, region, table), LogKeyBehind({id, region, table, through}), {}};
    range.holds.tables.emplace(region, table);
    ranges.push_back(std::move(range));
  }
  std::sort(ranges.begin(), ranges.end(),
            [](const Range& a, const Range& b) { return a.begin < b.begin; });
  return ranges;
}

// Bytes in table files: inside each range, and between it and the range before.
struct Sizes {
  std::vector<uint64_t> inside;
  std::vector<uint64_t> before;
  uint64_t stored = 0;
};

absl::StatusOr<Sizes> SizesOf(const Database& database, const std::vector<Range>& ranges) {
  std::vector<rocksdb::Range> asked;
  for (size_t i = 0; i < ranges.size(); ++i) {
    asked.emplace_back(ranges[i].begin, ranges[i].end);
    asked.emplace_back(i == 0 ? ranges[i].begin : ranges[i - 1].end, ranges[i].begin);
  }
  std::vector<uint64_t> bytes(asked.size());
  Sizes sizes;
  const absl::Status status = database.With([&](rocksdb::DB& db) {
    db.GetIntProperty(rocksdb::DB::Properties::kTotalSstFilesSize, &sizes.stored);
    const rocksdb::Status sized =
        db.GetApproximateSizes(asked.data(), static_cast<int>(asked.size()), bytes.data());
    return FromRocks(sized, "sizing", database.shown_directory());
  });
  if (!status.ok()) return status;
  for (size_t i = 0; i < ranges.size(); ++i) {
    sizes.inside.push_back(bytes[2 * i]);
    sizes.before.push_back(bytes[2 * i + 1]);
  }
  return sizes;
}

}  // namespace

void Reclaimable::Take(Reclaimable& other) {
  tables.merge(other.tables);
  dropped.merge(other.dropped);
  other = {};
}

absl::StatusOr<std::vector<ReclaimStep>> StepsForOldDrops(const Database& database) {
  std::vector<ReclaimStep> steps;
  const absl::Status status = database.With([&](rocksdb::DB& db) {
    rocksdb::TablePropertiesCollection properties;
    const rocksdb::Status read = db.GetPropertiesOfAllTables(&properties);
    if (!read.ok()) return FromRocks(read, "looking for drops", database.shown_directory());
    std::vector<rocksdb::LiveFileMetaData> files;
    db.GetLiveFilesMetaData(&files);
    for (const rocksdb::LiveFileMetaData& file : files) {
      const auto found = properties.find(file.directory + "/" + file.relative_filename);
      if (found == properties.end() || found->second->num_range_deletions == 0) continue;
      steps.push_back({.begin = file.smallestkey,
                       .end = file.largestkey,
                       .deleted_bytes = file.size,
                       .live_bytes = file.size});
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return steps;
}

absl::StatusOr<ReclaimPlan> PlanReclaim(const Database& database, const DeletedMarks& marks,
                                        Reclaimable what, ReclaimEffort effort) {
  const Database::Environment& env = database.environment();
  std::vector<Range> ranges = RangesOf(env.namespace_id, marks, what);
  if (ranges.empty()) return ReclaimPlan();
  const absl::StatusOr<Sizes> sizes = SizesOf(database, ranges);
  if (!sizes.ok()) return sizes.status();
  const uint64_t file_bytes = env.tuning.write_buffer_bytes;
  std::vector<ReclaimStep> steps;
  for (size_t i = 0; i < ranges.size(); ++i) {
    const uint64_t between = sizes->before[i];
    const bool is_near =
        !steps.empty() && between <= std::max(file_bytes, steps.back().deleted_bytes);
    if (!is_near) steps.push_back({.begin = std::move(ranges[i].begin)});
    ReclaimStep& step = steps.back();
    step.end = std::max(step.end, std::move(ranges[i].end));
    step.holds.Take(ranges[i].holds);
    step.deleted_bytes += sizes->inside[i];
    if (is_near) step.live_bytes += between;
  }
  ReclaimPlan plan;
  for (ReclaimStep& step : steps) {
    // The files at both ends of the step hold other records too.
    const uint64_t known = step.deleted_bytes + step.live_bytes;
    step.live_bytes += std::min(2 * file_bytes, sizes->stored - std::min(sizes->stored, known));
    const uint64_t rewritten = step.deleted_bytes + step.live_bytes;
    // The records of a dropped region are removed even if they are few.
    const bool must = effort == ReclaimEffort::kEverything || !step.holds.dropped.empty();
    if (!must && rewritten > kRewrittenPerDeleted * step.deleted_bytes) {
      if (step.deleted_bytes == 0) continue;  // none of it is in a table file
      plan.later_bytes += step.deleted_bytes;
      plan.later.Take(step.holds);
    } else {
      plan.steps.push_back(std::move(step));
    }
  }
  return plan;
}

}  // namespace walden::rocks
