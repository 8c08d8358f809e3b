// What bounds the daemon, how much of it is taken, and what guards it, as metrics.
#pragma once

#include "engine/disk_space.h"
#include "server/metrics/metric_families.h"
#include "server/namespaces.h"
#include "server/security/security_state.h"
#include "server/walden_server.h"

namespace walden {

void AddDiskReserve(const DiskSpace& disk, MetricFamilies& families);

void AddDiskQuotas(const NamespaceSet& namespaces, MetricFamilies& families);

// Connections, and what each identity holds.
void AddCallers(WaldenServer& server, MetricFamilies& families);

void AddRetention(const Statistics& statistics, MetricFamilies& families);

void AddSecurity(const SecurityState& security, MetricFamilies& families);

}  // namespace walden
