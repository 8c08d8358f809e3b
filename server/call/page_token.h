// Tokens of paged answers. They are opaque to clients and valid only for the listing they came
// from.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/description.h"
#include "engine/types.h"
#include "server/region/region_actor.h"

namespace walden {

// Of ListRegions: the region that the next page begins behind.
std::string RegionsToken(NamespaceId ns, RegionId behind);
// nullopt for an empty token: the first page. INVALID_ARGUMENT for any other that RegionsToken did
// not make for this namespace.
absl::StatusOr<std::optional<RegionId>> ParseRegionsToken(absl::string_view token, NamespaceId ns);

// Of DescribeRegion, in the same way.
std::string DescribeToken(const RegionKey& key, const DescribeCursor& next);
absl::StatusOr<DescribeCursor> ParseDescribeToken(absl::string_view token, const RegionKey& key);

// Of ListNamespaces, in the same way: the namespace that the next page begins behind.
std::string NamespacesToken(NamespaceId behind);
absl::StatusOr<std::optional<NamespaceId>> ParseNamespacesToken(absl::string_view token);

// The most items on one page, by default too.
inline constexpr size_t kMaxPageItems = 10'000;
inline constexpr size_t kMaxPageNamespaces = 1'000;

// The number of items on one page, by the request's page_size. INVALID_FIELD if it is negative.
absl::StatusOr<size_t> PageItems(int32_t page_size, size_t most);

}  // namespace walden
