#include "server/metrics/region_metrics.h"

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"

namespace walden {
namespace {

constexpr absl::string_view kOther = "other";

// In the order in which they are exposed.
enum class ShownState { kOpen, kFailed, kBroken, kOpening, kClosing };
constexpr std::array<absl::string_view, 5> kStateNames = {"open", "failed", "broken", "opening",
                                                          "closing"};

ShownState StateOf(const RegionLook& look) {
  switch (look.state) {
    case RegionLook::State::kOpening:
      return ShownState::kOpening;
    case RegionLook::State::kOpen:
      return look.actor->log().Health().ok() ? ShownState::kOpen : ShownState::kFailed;
    case RegionLook::State::kClosing:
      return ShownState::kClosing;
    case RegionLook::State::kBroken:
      break;
  }
  return ShownState::kBroken;
}

double Number(uint64_t value) { return static_cast<double>(value); }

struct OpenRegion {
  RegionKey key;
  RegionUsage usage;
};

void Sum(const RegionUsage& one, RegionUsage& all) {
  all.allocated_bytes += one.allocated_bytes;
  all.live_bytes += one.live_bytes;
  all.live_records += one.live_records;
  all.segments += one.segments;
  all.tables += one.tables;
  all.index_bytes += one.index_bytes;
  all.damaged_ranges += one.damaged_ranges;
  if (!one.oldest.has_value() || !one.oldest->age.has_value()) return;
  const bool is_older = !all.oldest.has_value() || *one.oldest->age > *all.oldest->age;
  if (is_older) all.oldest = one.oldest;
}

void AddUsage(absl::string_view space, absl::string_view region, const RegionUsage& usage,
              MetricFamilies& families) {
  const MetricLabels labels = {{"namespace", space}, {"region", region}};
  families.Add(Metric::kRegionAllocated, labels, Number(usage.allocated_bytes));
  families.Add(Metric::kRegionLive, labels, Number(usage.live_bytes));
  families.Add(Metric::kRegionRecords, labels, Number(usage.live_records));
  families.Add(Metric::kRegionSegments, labels, Number(usage.segments));
  families.Add(Metric::kRegionTables, labels, Number(usage.tables));
  families.Add(Metric::kRegionIndex, labels, Number(usage.index_bytes));
  families.Add(Metric::kRegionDamagedRanges, labels, Number(usage.damaged_ranges));
  if (!usage.oldest.has_value()) return;
  if (region != kOther) {
    families.Add(Metric::kRegionOldestSequence, labels, Number(usage.oldest->sequence));
  }
  if (usage.oldest->age.has_value()) {
    families.Add(Metric::kRegionOldestAge, labels, absl::ToDoubleSeconds(*usage.oldest->age));
  }
}

void AddOpenRegions(const NamespaceSet& namespaces, std::vector<OpenRegion> regions,
                    size_t max_regions, MetricFamilies& families) {
  const size_t named = std::min(max_regions, regions.size());
  const auto takes_more = [](const OpenRegion& a, const OpenRegion& b) {
    return std::pair(b.usage.allocated_bytes, a.key.region) <
           std::pair(a.usage.allocated_bytes, b.key.region);
  };
  std::partial_sort(regions.begin(), regions.begin() + static_cast<std::ptrdiff_t>(named),
                    regions.end(), takes_more);
  std::map<NamespaceId, RegionUsage> others;
  for (size_t i = 0; i < regions.size(); ++i) {
    const auto& [key, usage] = regions[i];
    if (i < named) {
      AddUsage(namespaces.Find(key.namespace_id)->name, absl::StrCat(key.region), usage, families);
    } else {
      Sum(usage, others[key.namespace_id]);
    }
  }
  for (const auto& [id, usage] : others) {
    AddUsage(namespaces.Find(id)->name, kOther, usage, families);
  }
}

// Names failed and broken regions, up to the limit.
class Faults {
 public:
  explicit Faults(size_t max_regions) : left_(max_regions) {}

  void Add(absl::string_view space, RegionId region, absl::string_view state,
           MetricFamilies& families) {
    if (left_ == 0) {
      ++others_[{std::string(space), std::string(state)}];
      return;
    }
    --left_;
    families.Add(Metric::kRegionFault,
                 {{"namespace", space}, {"region", absl::StrCat(region)}, {"state", state}}, 1);
  }

  void Finish(MetricFamilies& families) const {
    for (const auto& [where, count] : others_) {
      families.Add(Metric::kRegionFault,
                   {{"namespace", where.first}, {"region", kOther}, {"state", where.second}},
                   Number(count));
    }
  }

 private:
  size_t left_;
  std::map<std::pair<std::string, std::string>, uint64_t> others_;
};

}  // namespace

void AddRegions(const RegionRegistry& registry, size_t max_regions, MetricFamilies& families) {
  std::map<NamespaceId, std::array<uint64_t, kStateNames.size()>> counts;
  for (const Namespace* space : registry.namespaces().All()) counts[space->id] = {};
  std::vector<OpenRegion> open;
  Faults faults(max_regions);
  for (const RegionLook& look : registry.Regions()) {
    const ShownState state = StateOf(look);
    ++counts[look.key.namespace_id][static_cast<size_t>(state)];
    if (look.actor != nullptr) open.push_back({look.key, look.actor->log().Usage()});
    if (state != ShownState::kFailed && state != ShownState::kBroken) continue;
    faults.Add(registry.namespaces().Find(look.key.namespace_id)->name, look.key.region,
               kStateNames[static_cast<size_t>(state)], families);
  }
  faults.Finish(families);
  for (const auto& [id, states] : counts) {
    const std::string& space = registry.namespaces().Find(id)->name;
    for (size_t i = 0; i < states.size(); ++i) {
      families.Add(Metric::kRegions, {{"namespace", space}, {"state", kStateNames[i]}},
                   Number(states[i]));
    }
  }
  AddOpenRegions(registry.namespaces(), std::move(open), max_regions, families);
}

void AddFollowers(const RegionRegistry& registry, const std::vector<Followers::Look>& followers,
                  MetricFamilies& families) {
  absl::flat_hash_map<RegionKey, std::shared_ptr<const RegionActor>> actors;
  if (!followers.empty()) {
    for (RegionLook& look : registry.Regions()) actors[look.key] = std::move(look.actor);
  }
  struct OfNamespace {
    uint64_t followers = 0;
    uint64_t behind = 0;
  };
  std::map<NamespaceId, OfNamespace> spaces;
  for (const Namespace* space : registry.namespaces().All()) spaces[space->id] = {};
  for (const Followers::Look& follower : followers) {
    OfNamespace& space = spaces[follower.key.namespace_id];
    ++space.followers;
    const auto found = actors.find(follower.key);
    if (found == actors.end() || found->second == nullptr) continue;
    const TablePosition position = found->second->log().Position(follower.table);
    const SequenceNumber reads = std::max(follower.next, position.first);
    const SequenceNumber end = position.last + 1;
    if (end > reads) space.behind = std::max(space.behind, end - reads);
  }
  for (const auto& [id, space] : spaces) {
    const MetricLabels labels = {{"namespace", registry.namespaces().Find(id)->name}};
    families.Add(Metric::kFollowers, labels, Number(space.followers));
    families.Add(Metric::kFollowerLag, labels, Number(space.behind));
  }
}

namespace {

void AddRocksdb(absl::string_view space, const RocksdbUsage& usage, MetricFamilies& families) {
  const MetricLabels labels = {{"namespace", space}};
  const std::initializer_list<std::pair<Metric, uint64_t>> values = {
      {Metric::kRocksdbMemtable, usage.memtable_bytes},
      {Metric::kRocksdbTableFiles, usage.table_file_bytes},
      {Metric::kRocksdbLiveTableFiles, usage.live_table_file_bytes},
      {Metric::kRocksdbWal, usage.wal_bytes},
      {Metric::kRocksdbPendingCompaction, usage.pending_compaction_bytes},
      {Metric::kRocksdbRunningCompactions, usage.running_compactions},
      {Metric::kRocksdbRunningFlushes, usage.running_flushes},
      {Metric::kRocksdbBackgroundErrors, usage.background_errors},
      {Metric::kRocksdbBlockCache, usage.block_cache_bytes},
      {Metric::kRocksdbBlockCacheLimit, usage.block_cache_limit_bytes},
      {Metric::kRocksdbWaitingReclaim, usage.waiting_reclaim_bytes}};
  for (const auto& [metric, value] : values) families.Add(metric, labels, Number(value));
}

}  // namespace

void AddStart(const RegionRegistry& registry, MetricFamilies& families) {
  const NamespaceSet& namespaces = registry.namespaces();
  const auto failures = registry.NamespaceFailures();
  for (const Namespace* space : namespaces.All()) {
    const bool failed = std::any_of(failures.begin(), failures.end(), [space](const auto& failure) {
      return failure.first == space->id;
    });
    const bool open = !failed && (space->late == nullptr || space->late->is_open());
    families.Add(Metric::kNamespaceOpen, {{"namespace", space->name}}, open ? 1 : 0);
  }
  families.Add(Metric::kUnconfiguredNamespaces, Number(namespaces.unconfigured().size()));
  families.Add(Metric::kRegionsToScan, Number(registry.start_progress().regions_to_scan));
}

void AddEngines(const NamespaceSet& namespaces, MetricFamilies& families) {
  for (const Namespace* space : namespaces.All()) {
    const EngineStatistics& statistics = *space->statistics;
    const EngineUsage usage = space->engine->Usage();
    const MetricLabels labels = {{"namespace", space->name}};
    families.Add(Metric::kSyncDuration, labels, statistics.sync_nanos.Read(), kNanosPerSecond);
    families.Add(Metric::kReclaimedBytes, labels, Value(statistics.reclaimed_bytes));
    if (usage.spare_segments.has_value()) {
      families.Add(Metric::kSpareSegments, labels, Number(*usage.spare_segments));
      families.Add(Metric::kSegmentsStarted, {{"namespace", space->name}, {"source", "spare"}},
                   Value(statistics.prepared_segments));
      families.Add(Metric::kSegmentsStarted, {{"namespace", space->name}, {"source", "fresh"}},
                   Value(statistics.fresh_segments));
    }
    if (usage.rocksdb.has_value()) AddRocksdb(space->name, *usage.rocksdb, families);
  }
}

}  // namespace walden
