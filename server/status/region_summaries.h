// Summarises every region in a few numbers and describes single regions, for status pages that ask
// repeatedly. Opens no region.
//
// RegionLog::Describe delays a region's commits while it copies, which takes long for many segments
// and tables. So a region whose description took d is described again after kRestFactor * d at the
// earliest. The earlier description is returned until then.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "engine/log_engine.h"
#include "engine/usage.h"
#include "server/region/region_registry.h"

namespace walden {

struct RegionSummary {
  enum class State { kClosed, kOpening, kOpen, kFailed, kClosing, kBroken };
  RegionKey key;
  State state = State::kClosed;
  absl::Status error;                // of failed and broken ones
  std::optional<RegionUsage> usage;  // of open and failed ones
};

// The table that keeps most of a region's disk from being given back: the one with the most bytes
// of segments in which no other table has live records. None if there is no such segment.
struct DiskHolder {
  TableId table = 0;
  uint64_t bytes = 0;  // given back if all of the table were marked deleted
};
std::optional<DiskHolder> DiskHolderOf(const RegionDescription& description);

// Any thread may use it.
class RegionSummaries {
 public:
  static constexpr int kRestFactor = 50;
  // Half the shortest scrape interval in use, so that a scrape every second sees new figures.
  static constexpr absl::Duration kLookInterval = absl::Milliseconds(500);
  static constexpr absl::Duration kListInterval = absl::Seconds(10);  // of what is closed

  // The clock outlives it. Every call must be given the same registry.
  explicit RegionSummaries(const Clock* clock) : clock_(clock) {}

  struct NamespaceError {
    NamespaceId id = 0;
    absl::Status error;
  };
  struct Picture {
    std::vector<RegionSummary> regions;  // unordered
    std::vector<NamespaceError> unlisted;
  };
  // Returns a picture that is at most kLookInterval old. May list directories.
  std::shared_ptr<const Picture> Look(const RegionRegistry& registry) ABSL_LOCKS_EXCLUDED(mutex_);

  struct Whole {
    std::shared_ptr<const RegionDescription> description;  // null unless the region is open
    absl::Duration taken;                                  // when, by the clock
  };
  Whole Describe(const RegionRegistry& registry, const RegionKey& key) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Described {
    Whole whole;
    absl::Duration rest_until;
    absl::Duration wanted_until;
  };

  void AddClosed(const RegionRegistry& registry, const absl::flat_hash_set<RegionKey>& present,
                 Picture* picture) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Clock* const clock_;
  absl::Mutex mutex_;
  absl::flat_hash_map<RegionKey, Described> described_ ABSL_GUARDED_BY(mutex_);
  std::vector<RegionKey> listed_ ABSL_GUARDED_BY(mutex_);  // on the medium, open or not
  std::vector<NamespaceError> unlisted_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Duration> listed_at_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Duration> looked_at_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const Picture> picture_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace walden
