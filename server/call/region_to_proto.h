// Turns the engine's descriptions into messages of the API.
#pragma once

#include "absl/strings/string_view.h"
#include "engine/log_engine.h"
#include "server/region/region_registry.h"
#include "walden/v1/admin.pb.h"
#include "walden/v1/wal.pb.h"

namespace walden {

void FillPosition(const TablePosition& position, v1::TablePosition* proto);
void FillDamagedRange(const DamagedRange& range, v1::DamagedRange* proto);
void FillRegionState(const RegionDescription& description, const LogEngine& engine,
                     v1::RegionState* proto);
// As FillRegionState, but fills the tables and damaged ranges alone.
void FillRegionLists(const RegionDescription& description, v1::RegionState* proto);
void FillSegments(const RegionDescription& description, v1::DescribeRegionResponse* proto);
// Retention of the region, and disk quotas of the region and of its namespace.
void FillBounds(const Namespace& ns, RegionId region, const RetentionLimits& retention,
                v1::DescribeRegionResponse* proto);
// All but the usage.
void FillRegionInfo(const RegionListing& listing, v1::RegionInfo* proto);
void FillRegionUsage(const RegionUsage& usage, v1::RegionUsage* proto);

}  // namespace walden
