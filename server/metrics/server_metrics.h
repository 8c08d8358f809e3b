// Metrics of calls, appends, reads and memory.
#pragma once

#include "server/metrics/metric_families.h"
#include "server/observation/server_observation.h"
#include "server/statistics/statistics.h"

namespace walden {

void AddStatistics(const Statistics& statistics, MetricFamilies& families);

// Memory and its limits.
void AddBudgets(const ServerObservation& server, MetricFamilies& families);

}  // namespace walden
