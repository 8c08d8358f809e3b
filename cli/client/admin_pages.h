// Paged answers of AdminService, put together.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/client/connection.h"
#include "walden/v1/admin.pb.h"

namespace walden::cli {

absl::StatusOr<v1::ListNamespacesResponse> ListNamespaces(Connection& connection);

// The id of the namespace that requests mean: `namespace_id`, or that of the default one if it is 0.
absl::StatusOr<uint32_t> NamedNamespace(Connection& connection, uint32_t namespace_id);

absl::StatusOr<v1::GetServerInfoResponse> GetServerInfo(Connection& connection);

// Every region of a namespace.
absl::StatusOr<v1::ListRegionsResponse> ListRegions(Connection& connection, uint32_t namespace_id);
absl::StatusOr<std::vector<uint64_t>> RegionIds(Connection& connection, uint32_t namespace_id);

// A region's description with the lists of all pages; the rest is of the last one.
absl::StatusOr<v1::DescribeRegionResponse> DescribeRegion(Connection& connection,
                                                          uint32_t namespace_id, uint64_t region);

// NOT_FOUND if the region was never written; OK if it exists, or if the daemon does not say.
absl::Status CheckRegionExists(Connection& connection, uint32_t namespace_id, uint64_t region);

}  // namespace walden::cli
