// The name of a region inside the daemon: its namespace and its id.
#pragma once

#include <utility>

#include "engine/types.h"

namespace walden {

struct RegionKey {
  NamespaceId namespace_id = 0;
  RegionId region = 0;

  bool operator==(const RegionKey&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const RegionKey& key) {
    return H::combine(std::move(h), key.namespace_id, key.region);
  }
};

}  // namespace walden
