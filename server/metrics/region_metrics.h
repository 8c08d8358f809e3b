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

// The progress of the start: namespaces that are open, regions to scan.
void AddStart(const RegionRegistry& registry, MetricFamilies& families);

// The work and the disk use of each namespace's engine that belong to no single region.
void AddEngines(const NamespaceSet& namespaces, MetricFamilies& families);

}  // namespace walden
