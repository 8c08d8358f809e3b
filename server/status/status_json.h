// Makes status.json, the figures that the status page shows (docs/operators/status_page.md lists them).
//
// The size of the document is bounded. Making it opens no region and is cheap enough for several
// pages that each ask every two seconds. region_summaries.h says what descriptions cost.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/log/recent_events.h"
#include "server/observation/server_observation.h"
#include "server/status/region_summaries.h"

namespace walden {

// Limits of the lists. Items beyond them are left out and counted.
inline constexpr size_t kMaxStatusRegions = 2000;
inline constexpr size_t kMaxStatusTables = 1000;    // of the region asked for
inline constexpr size_t kMaxStatusSegments = 4000;  // of the region asked for
inline constexpr size_t kMaxStatusDamage = 100;     // of the region asked for
inline constexpr size_t kMaxStatusErrorBytes = 2048;

// Parses the query of an address, such as "region=7&namespace=1". nullopt if it selects no region.
// INVALID_ARGUMENT for an invalid number, one that is out of range or given twice, and for other
// names. NOT_FOUND for an unknown namespace; 0 and an absent number mean the default namespace.
absl::StatusOr<std::optional<RegionKey>> ParseStatusQuery(const NamespaceSet& namespaces,
                                                          absl::string_view query);

// Any thread may use it.
class StatusJson {
 public:
  struct Disk {
    std::string path;
    absl::StatusOr<uint64_t> free_bytes = uint64_t{0};
    std::optional<uint64_t> total_bytes;    // of the disk that the path is on
    std::optional<uint64_t> reserve_bytes;  // below it appends are refused
  };
  // Figures that are not the server's. Any may be empty. Called on the thread of Make.
  struct Sources {
    std::function<absl::Status()> readiness;  // OK while the daemon serves
    std::function<Disk()> disk;
    const RecentEvents* events = nullptr;
  };

  // The server and what `sources` refer to outlive it.
  StatusJson(const ServerObservation& server, Sources sources)
      : server_(server), sources_(std::move(sources)), regions_(&server.clock) {}

  // `registry` is that of the server.
  std::string Make(const RegionRegistry& registry, const std::optional<RegionKey>& selected);

 private:
  const ServerObservation& server_;
  const Sources sources_;
  RegionSummaries regions_;
};

}  // namespace walden
