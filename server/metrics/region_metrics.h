// Regions, followers and engines as metrics.
#pragma once

#include <cstddef>
#include <vector>

#include "server/metrics/metric_families.h"
#include "server/region/followers.h"
#include "server/region/region_registry.h"

namespace walden {

// Names the `max_regions` open regions that use the most disk, and adds the others of each
// namespace up as region "other". The cost per open region does not depend on its number of tables.
void AddRegions(const RegionRegistry& registry, size_t max_regions, MetricFamilies& families);

void AddFollowers(const RegionRegistry& registry, const std::vector<Followers::Look>& followers,
                  MetricFamilies& families);

// The progress of the start: namespaces that are open, regions to scan.
void AddStart(const RegionRegistry& registry, MetricFamilies& families);

// The work and the disk use of each namespace's engine that belong to no single region.
void AddEngines(const NamespaceSet& namespaces, MetricFamilies& families);

}  // namespace walden
