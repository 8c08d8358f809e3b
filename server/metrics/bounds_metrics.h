// Metrics of limits and their use, and of certificates and identities.
#pragma once

#include "engine/io/disk_space.h"
#include "server/metrics/metric_families.h"
#include "server/observation/server_observation.h"
#include "server/region/namespaces.h"
#include "server/security/security_state.h"

namespace walden {

void AddDiskReserve(const DiskSpace& disk, MetricFamilies& families);

void AddDiskQuotas(const NamespaceSet& namespaces, MetricFamilies& families);

// Connections, and what each identity holds.
void AddCallers(const ServerObservation& server, MetricFamilies& families);

void AddRetention(const Statistics& statistics, MetricFamilies& families);

void AddSecurity(const SecurityState& security, MetricFamilies& families);

}  // namespace walden
