#include "server/daemon/options_from_config.h"

#include <algorithm>

#include "base/version.h"
#include "server/log/logging.h"

namespace walden {
namespace {

RetentionLimits RetentionOf(const RegionSettings& settings) {
  return {.age = settings.retention_age,
          .bytes = settings.retention_bytes.bytes,
          .records = settings.retention_records};
}

// Short enough for the shortest sync interval and for the readers' timeouts.
absl::Duration TickInterval(const Config& config) {
  absl::Duration shortest = absl::Milliseconds(100);
  for (const NamespaceConfig& ns : config.namespaces) {
    shortest = std::min(shortest, ns.settings.buffered_sync_interval);
    for (const RegionConfig& region : ns.regions) {
      shortest = std::min(shortest, region.settings.buffered_sync_interval);
    }
  }
  return std::max(shortest, absl::Milliseconds(1));
}

void LogRefusedConnections(uint64_t connections, const absl::Status& why) {
  Log(LogSeverity::kWarning, connections == 0 ? "connections wait" : "connections refused",
      {{"connections", connections}, {"error", why.message()}});
}

}  // namespace

RegionPolicy PolicyFrom(const RegionSettings& settings) {
  return RegionPolicy{.engine = {.recovery_policy = settings.recovery_policy,
                                 .buffered_sync_every_writes = settings.buffered_sync_every_writes,
                                 .segment_size_bytes = settings.segment_size.bytes},
                      .default_durability = settings.durability,
                      .buffered_sync_interval = settings.buffered_sync_interval};
}

RocksdbTuning TuningFrom(const RocksdbConfig& config) {
  return {.write_buffer_bytes = config.write_buffer_size.bytes,
          .max_total_wal_bytes = config.max_wal_size.bytes,
          .block_cache_bytes = config.block_cache_size.bytes,
          .reclaim_bytes = config.reclaim_size.bytes,
          .reserve_bytes = config.reserve_size.bytes};
}

std::map<NamespaceId, RetentionPolicies::Policy> RetentionFrom(const Config& config) {
  std::map<NamespaceId, RetentionPolicies::Policy> policies;
  for (const NamespaceConfig& ns : config.namespaces) {
    RetentionPolicies::Policy& policy = policies[ns.id];
    policy.regions = RetentionOf(ns.settings);
    for (const RegionConfig& region : ns.regions) {
      policy.overrides[region.id] = RetentionOf(region.settings);
    }
  }
  return policies;
}

DiskQuotas::Limits QuotasFrom(const NamespaceConfig& config) {
  DiskQuotas::Limits limits{.whole = config.disk_quota.bytes,
                            .region = config.settings.disk_quota.bytes};
  for (const RegionConfig& region : config.regions) {
    limits.regions[region.id] = region.settings.disk_quota.bytes;
  }
  return limits;
}

Tenants::Policy TenantsFrom(const LimitsConfig& limits,
                            const std::map<std::string, IdentityLimits>& named) {
  Tenants::Policy policy;
  policy.everybody = {.in_flight_bytes = limits.identity_in_flight_bytes.bytes,
                      .calls = limits.identity_calls,
                      .append_bytes_per_second = limits.identity_append_bytes_per_second.bytes};
  policy.default_in_flight_bytes = limits.mailbox_bytes.bytes / 2;
  for (const auto& [name, own] : named) {
    const TenantLimits& everybody = policy.everybody;
    policy.named[name] = {
        .in_flight_bytes = own.in_flight_bytes.value_or(everybody.in_flight_bytes),
        .calls = own.calls.value_or(everybody.calls),
        .append_bytes_per_second =
            own.append_bytes_per_second.value_or(everybody.append_bytes_per_second)};
  }
  return policy;
}

ServerOptions OptionsFrom(const Config& config) {
  const LimitsConfig& limits = config.limits;
  ServerOptions options;
  options.listen = config.listen;
  options.limits.max_batch_bytes = limits.max_batch_bytes.bytes;
  options.limits.max_batch_records = limits.max_batch_records;
  options.limits.max_payload_bytes = limits.max_payload_bytes.bytes;
  options.read_chunk_bytes = limits.read_chunk_bytes.bytes;
  options.stream_limits.in_flight_bytes = limits.stream_in_flight_bytes.bytes;
  options.limits.max_key_bytes = config.entries.max_key_bytes;
  options.entries = {.total_bytes = config.entries.total_memory.bytes,
                     .table_bytes = config.entries.table_memory.bytes,
                     .page_bytes = config.entries.page_size.bytes};
  options.registry.max_open_regions = limits.max_open_regions;
  options.registry.reopen.attempts = config.recovery.reopen_attempts;
  options.registry.reopen.backoff = config.recovery.reopen_backoff;
  options.registry.mailbox_bytes = limits.mailbox_bytes.bytes;
  options.reader_bytes = limits.reader_bytes.bytes;
  options.reader_wait = limits.reader_wait;
  options.reader_stall = limits.reader_stall;
  options.max_connections = limits.max_connections;
  options.on_refused_connections = LogRefusedConnections;
  options.max_streams_per_connection = limits.max_streams_per_connection;
  options.min_ping_interval = limits.min_ping_interval;
  options.max_calls = limits.max_calls;
  options.receive_bytes = limits.receive_bytes.bytes;
  options.retention_interval = config.retention.check_interval;
  options.retention = RetentionFrom(config);
  options.tick_interval = TickInterval(config);
  options.workers = static_cast<int>(config.threads.workers);
  options.version = kVersion;
  if (absl::string_view(kCommit) != "unknown") options.commit = kCommit;
  options.reflection =
      config.security.reflection == Reflection::kOn ||
      (config.security.reflection == Reflection::kAuto && config.security.identities_file.empty());
  return options;
}

MonitorOptions MonitorFrom(const Config& config) {
  return {.http = {.listen = config.metrics.listen, .hosts = config.metrics.hosts},
          .collector = {.version = kVersion,
                        .data_directory = config.data_dir,
                        .max_regions = config.metrics.max_regions}};
}

LogSeverity SeverityOf(LogLevel level) {
  switch (level) {
    case LogLevel::kTrace:
      return LogSeverity::kTrace;
    case LogLevel::kDebug:
      return LogSeverity::kDebug;
    case LogLevel::kInfo:
      return LogSeverity::kInfo;
    case LogLevel::kWarning:
      return LogSeverity::kWarning;
    case LogLevel::kError:
      return LogSeverity::kError;
  }
  return LogSeverity::kInfo;
}

}  // namespace walden
