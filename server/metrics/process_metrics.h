// Metrics of this process from /proc, under the names that Prometheus' client libraries use.
#pragma once

#include "server/metrics/metric_families.h"

namespace walden {

// Leaves out values that cannot be read from /proc.
void AddProcessMetrics(MetricFamilies& families);

}  // namespace walden
