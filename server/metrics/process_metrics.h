// What the kernel says of this process, under the names that Prometheus' clients give it.
#pragma once

#include "server/metrics/metric_families.h"

namespace walden {

// What cannot be read from /proc is left out.
void AddProcessMetrics(MetricFamilies& families);

}  // namespace walden
