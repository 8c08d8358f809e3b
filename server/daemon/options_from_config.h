// Turns the configuration into the options of the daemon's parts.
#pragma once

#include <map>
#include <string>

#include "config/config.h"
#include "config/identities_file.h"
#include "engine/io/disk_quota.h"
#include "engine/rocksdb/options/tuning.h"
#include "server/daemon/monitor.h"
#include "server/grpc/walden_server.h"
#include "server/limits/tenant.h"
#include "server/log/logging.h"
#include "server/region/namespaces.h"
#include "server/region/retention_keeper.h"

namespace walden {

RegionPolicy PolicyFrom(const RegionSettings& settings);
RocksdbTuning TuningFrom(const RocksdbConfig& config);
std::map<NamespaceId, RetentionPolicies::Policy> RetentionFrom(const Config& config);
DiskQuotas::Limits QuotasFrom(const NamespaceConfig& config);

// `named` are the limits of single identities in the identities file.
Tenants::Policy TenantsFrom(const LimitsConfig& limits,
                            const std::map<std::string, IdentityLimits>& named);

// All options but the pointers to parts of the daemon.
ServerOptions OptionsFrom(const Config& config);
MonitorOptions MonitorFrom(const Config& config);

LogSeverity SeverityOf(LogLevel level);

}  // namespace walden
