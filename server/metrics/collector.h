// Reads the daemon's numbers whenever Prometheus asks; nothing is done in between.
#pragma once

#include <prometheus/collectable.h>

#include <atomic>
#include <cstddef>
#include <string>
#include <vector>

#include "engine/clock.h"
#include "server/metrics/metric_families.h"
#include "server/metrics/readiness.h"
#include "server/walden_server.h"

namespace walden {

struct CollectorOptions {
  std::string version;
  std::string data_directory;  // whose file system is looked at; empty: none is
  size_t max_regions = 200;    // with metrics of their own
};

// Any thread may collect.
class Collector final : public prometheus::Collectable {
 public:
  // `readiness` outlives it.
  Collector(CollectorOptions options, const Readiness* readiness);

  // From now on there is something to look at. Once; the server outlives every later Collect.
  void Attach(const WaldenServer* server);

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  void AddDaemon(MetricFamilies& families) const;
  void AddDisk(MetricFamilies& families) const;

  const CollectorOptions options_;
  const Readiness* const readiness_;
  std::atomic<const WaldenServer*> server_{nullptr};
};

}  // namespace walden
