#include "server/metrics/bounds_metrics.h"

namespace walden {

void AddDiskReserve(const DiskSpace& disk, MetricFamilies& families) {
  families.Add(Metric::kDiskReserve, static_cast<double>(disk.reserve_bytes()));
  families.Add(Metric::kDiskLow, disk.is_low() ? 1 : 0);
}

void AddDiskQuotas(const NamespaceSet& namespaces, MetricFamilies& families) {
  for (const Namespace* space : namespaces.All()) {
    if (space->quotas == nullptr) continue;
    const DiskQuota& quota = space->quotas->whole();
    const MetricLabels labels = {{"namespace", space->name}};
    families.Add(Metric::kDiskQuota, labels, static_cast<double>(quota.limit()));
    families.Add(Metric::kDiskQuotaUsed, labels, static_cast<double>(quota.used()));
  }
}

void AddCallers(const ServerObservation& server, MetricFamilies& families) {
  const ConnectionAcceptor& connections = server.connections;
  families.Add(Metric::kOpenConnections, static_cast<double>(connections.open_connections()));
  families.Add(Metric::kConnectionsLimit, static_cast<double>(connections.max_connections()));
  families.Add(Metric::kRefusedConnections, static_cast<double>(connections.refused_connections()));
  for (const Tenant* tenant : server.tenants.All()) {
    const MetricLabels labels = {{"identity", tenant->name()}};
    families.Add(Metric::kTenantBytes, labels, static_cast<double>(tenant->in_flight_bytes()));
    families.Add(Metric::kTenantCalls, labels, static_cast<double>(tenant->calls()));
    families.Add(Metric::kTenantRefusals, labels, static_cast<double>(tenant->refusals()));
  }
}

void AddRetention(const Statistics& statistics, MetricFamilies& families) {
  families.Add(Metric::kRetentionRounds, Value(statistics.retention_rounds));
  families.Add(Metric::kRetentionRecords, Value(statistics.retention_records));
  families.Add(Metric::kRetentionBytes, Value(statistics.retention_bytes));
  families.Add(Metric::kRetentionFailures, Value(statistics.retention_failures));
}

void AddSecurity(const SecurityState& security, MetricFamilies& families) {
  if (const double expiry = Value(security.certificate_expiry_unix_seconds); expiry != 0) {
    families.Add(Metric::kCertificateExpiry, expiry);
  }
  families.Add(Metric::kIdentities, Value(security.identities));
  const auto add_loads = [&families](absl::string_view what, const std::atomic<uint64_t>& accepted,
                                     const std::atomic<uint64_t>& refused) {
    families.Add(Metric::kSecurityLoads, {{"what", what}, {"result", "accepted"}}, Value(accepted));
    families.Add(Metric::kSecurityLoads, {{"what", what}, {"result", "refused"}}, Value(refused));
  };
  add_loads("certificates", security.certificate_loads, security.certificate_refusals);
  add_loads("identities", security.identity_loads, security.identity_refusals);
}

}  // namespace walden
