// Regions, followers and engines as metrics.
#pragma once

#include <cstddef>
#include <vector>

#include "server/metrics/metric_families.h"
#include "server/region/followers.h"
#include "server/region/region_registry.h"

namespace walden {

// The `max_regions` open regions that take most disk are named; the others of their namespace are
// summed up as region "other". Costs one look at each open region, however many tables it has.
void AddRegions(const RegionRegistry& registry, size_t max_regions, MetricFamilies& families);

void AddFollowers(const RegionRegistry& registry, const std::vector<Followers::Look>& followers,
                  MetricFamilies& families);

// How far the start has come: namespaces that are open, regions to scan.
void AddStart(const RegionRegistry& registry, MetricFamilies& families);

// What each namespace's engine did and holds beside its regions.
void AddEngines(const NamespaceSet& namespaces, MetricFamilies& families);

}  // namespace walden
