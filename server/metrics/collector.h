// Reads the daemon's figures when Prometheus asks, and does nothing in between.
#pragma once

#include <prometheus/collectable.h>

#include <cstddef>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "engine/io/disk_space.h"
#include "server/metrics/metric_families.h"
#include "server/observation/server_observation.h"
#include "server/security/security_state.h"
#include "server/status/readiness.h"

namespace walden {

struct CollectorOptions {
  std::string version;
  std::string data_directory;  // its file system is measured; empty: none
  size_t max_regions = 200;    // with metrics of their own
};

// Any thread may collect.
class Collector final : public prometheus::Collectable {
 public:
  // `readiness` outlives it.
  Collector(CollectorOptions options, const Readiness* readiness);

  // The objects that the metrics describe. They outlive the collector.
  struct Sources {
    const ServerObservation* server = nullptr;
    const DiskSpace* disk = nullptr;  // these may be null
    const SecurityState* security = nullptr;
  };
  // Sets what Collect reads. At most once.
  void Attach(const Sources& sources) ABSL_LOCKS_EXCLUDED(mutex_);

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  void AddDaemon(MetricFamilies& families) const;
  void AddDisk(MetricFamilies& families) const;
  void AddServer(const ServerObservation& server, MetricFamilies& families) const;

  const CollectorOptions options_;
  const Readiness* const readiness_;
  mutable absl::Mutex mutex_;
  Sources sources_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace walden
