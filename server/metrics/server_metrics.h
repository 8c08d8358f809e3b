// Metrics of calls, appends, reads and memory.
#pragma once

#include "server/grpc/walden_server.h"
#include "server/metrics/metric_families.h"
#include "server/statistics/statistics.h"

namespace walden {

void AddStatistics(const Statistics& statistics, MetricFamilies& families);

// Memory and its limits.
void AddBudgets(const WaldenServer& server, MetricFamilies& families);

}  // namespace walden
