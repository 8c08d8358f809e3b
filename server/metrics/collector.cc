#include "server/metrics/collector.h"

#include <sys/statvfs.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/metrics/bounds_metrics.h"
#include "server/metrics/process_metrics.h"
#include "server/metrics/region_metrics.h"
#include "server/metrics/server_metrics.h"

namespace walden {

Collector::Collector(CollectorOptions options, const Readiness* readiness)
    : options_(std::move(options)), readiness_(readiness) {}

void Collector::Attach(const Sources& sources) {
  absl::MutexLock lock(&mutex_);
  sources_ = sources;
}

std::vector<prometheus::MetricFamily> Collector::Collect() const {
  MetricFamilies families;
  AddDaemon(families);
  AddProcessMetrics(families);
  AddDisk(families);
  Sources sources;
  {
    absl::MutexLock lock(&mutex_);
    sources = sources_;
  }
  if (sources.disk != nullptr) AddDiskReserve(*sources.disk, families);
  if (sources.security != nullptr) AddSecurity(*sources.security, families);
  if (sources.server != nullptr) AddServer(*sources.server, families);
  return std::move(families).Take();
}

void Collector::AddServer(const ServerObservation& server, MetricFamilies& families) const {
  AddStatistics(server.statistics, families);
  AddRetention(server.statistics, families);
  AddBudgets(server, families);
  AddCallers(server, families);
  server.registry.With([&](const RegionRegistry& registry) {
    AddStart(registry, families);
    AddRegions(registry, options_.max_regions, families);
    AddFollowers(registry, server.followers.All(), families);
    AddEngines(registry.namespaces(), families);
    AddDiskQuotas(registry.namespaces(), families);
  });
}

void Collector::AddDaemon(MetricFamilies& families) const {
  families.Add(Metric::kBuildInfo, {{"version", options_.version}, {"compiler", __VERSION__}}, 1);
  families.Add(Metric::kReady, readiness_->ready() ? 1 : 0);
}

void Collector::AddDisk(MetricFamilies& families) const {
  struct statvfs disk {};
  if (options_.data_directory.empty() || statvfs(options_.data_directory.c_str(), &disk) != 0) {
    return;
  }
  const auto block = static_cast<double>(disk.f_frsize);
  families.Add(Metric::kDiskSize, block * static_cast<double>(disk.f_blocks));
  families.Add(Metric::kDiskFree, block * static_cast<double>(disk.f_bavail));
}

}  // namespace walden
