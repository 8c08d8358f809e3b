#include "server/daemon.h"

#include <grpc/support/log.h>
#include <sys/resource.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "config/difference.h"
#include "engine/clock.h"
#include "engine/error.h"
#include "engine/rocksdb/rocksdb_engine.h"
#include "engine/segment/segment_engine.h"
#include "server/logging.h"

namespace walden {
namespace {

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

RetentionLimits RetentionOf(const RegionSettings& settings) {
  return {.age = settings.retention_age,
          .bytes = settings.retention_bytes.bytes,
          .records = settings.retention_records};
}

RetentionPolicies::Policy RetentionFrom(const NamespaceConfig& config) {
  RetentionPolicies::Policy policy{.regions = RetentionOf(config.settings)};
  for (const RegionConfig& region : config.regions) {
    policy.overrides[region.id] = RetentionOf(region.settings);
  }
  return policy;
}

DiskQuotas::Limits QuotasFrom(const NamespaceConfig& config) {
  DiskQuotas::Limits limits{.whole = config.disk_quota.bytes,
                            .region = config.settings.disk_quota.bytes};
  for (const RegionConfig& region : config.regions) {
    limits.regions[region.id] = region.settings.disk_quota.bytes;
  }
  return limits;
}

// Also the directories above it.
absl::Status CreateDirectories(FileSystem* file_system, const std::string& path) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    const std::string parent = path.substr(0, slash);
    if (parent == "." || parent == "..") continue;
    if (absl::Status status = file_system->CreateDirectory(parent); !status.ok()) return status;
  }
  return file_system->CreateDirectory(path);
}

// Often enough for the shortest of the intervals, and for the readers' waits.
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
  Log(LogSeverity::kWarning, "connections refused",
      {{"connections", connections}, {"error", why.message()}});
}

// `named`: what the identities file says of single ones.
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
  options.limits.read_chunk_bytes = limits.read_chunk_bytes.bytes;
  options.limits.stream_in_flight_bytes = limits.stream_in_flight_bytes.bytes;
  options.limits.max_key_bytes = config.entries.max_key_bytes;
  options.entries = {.total_bytes = config.entries.total_memory.bytes,
                     .table_bytes = config.entries.table_memory.bytes,
                     .page_bytes = config.entries.page_size.bytes};
  options.registry.max_open_regions = limits.max_open_regions;
  options.registry.mailbox_bytes = limits.mailbox_bytes.bytes;
  options.reader_bytes = limits.reader_bytes.bytes;
  options.reader_wait = limits.reader_wait;
  options.max_connections = limits.max_connections;
  options.on_refused_connections = LogRefusedConnections;
  options.max_streams_per_connection = limits.max_streams_per_connection;
  options.max_calls = limits.max_calls;
  options.retention_interval = config.retention.check_interval;
  for (const NamespaceConfig& ns : config.namespaces) {
    options.retention[ns.id] = RetentionFrom(ns);
  }
  options.tick_interval = TickInterval(config);
  options.workers = static_cast<int>(config.threads.workers);
  options.version = kVersion;
  options.reflection =
      config.security.reflection == Reflection::kOn ||
      (config.security.reflection == Reflection::kAuto && config.security.identities_file.empty());
  return options;
}

MonitorOptions MonitorFrom(const Config& config) {
  return {.http = {.listen = config.metrics.listen},
          .collector = {.version = kVersion,
                        .data_directory = config.data_dir,
                        .max_regions = config.metrics.max_regions}};
}

// A segment engine's region keeps this many files open.
constexpr uint64_t kFilesPerRegion = 3;

void WarnIfTooFewFiles(const Config& config) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
  const uint64_t needed =
      kFilesPerRegion * config.limits.max_open_regions + config.limits.max_connections;
  if (needed <= limit.rlim_cur) return;
  Log(LogSeverity::kWarning, "fewer regions can be open than configured: too few files may be open",
      {{"limits.max_open_regions", config.limits.max_open_regions},
       {"files_needed", needed},
       {"files_permitted", static_cast<uint64_t>(limit.rlim_cur)}});
}

// What gRPC itself has to say, which is only of interest when looking for an error in it.
void LogGrpcMessage(gpr_log_func_args* message) {
  Log(LogSeverity::kDebug, "grpc",
      {{"severity", gpr_log_severity_string(message->severity)},
       {"file", message->file},
       {"line", message->line},
       {"message", message->message}});
}

std::string ReasonOf(const absl::Status& status) {
  const auto info = GetErrorInfo(status);
  return info.has_value() ? info->reason : absl::StatusCodeToString(status.code());
}

}  // namespace

class Daemon::LoggedEvents final : public RegionEvents {
 public:
  void OnOpened(const RegionKey& key, const OpeningReport& report) override {
    const bool clean = report.outcome == OpeningReport::Outcome::kClean;
    if (report.torn_tail_bytes > 0) {
      Log(LogSeverity::kWarning, "torn tail removed",
          {{"namespace", key.namespace_id},
           {"region", key.region},
           {"bytes", report.torn_tail_bytes},
           {"evidence", report.evidence_file}});
    }
    for (const DamagedRange& range : report.damaged) {
      Log(LogSeverity::kError, "damaged range quarantined",
          {{"namespace", key.namespace_id},
           {"region", key.region},
           {"file", range.file},
           {"offset", range.offset},
           {"length", range.length},
           {"first_sequence", range.first},
           {"last_sequence", range.last},
           {"reason", range.reason}});
    }
    Log(clean ? LogSeverity::kDebug : LogSeverity::kInfo, "region opened",
        {{"namespace", key.namespace_id},
         {"region", key.region},
         {"records", report.records_scanned},
         {"bytes", report.bytes_scanned},
         {"micros", report.duration_micros}});
  }
  void OnBroken(const RegionKey& key, const absl::Status& why) override {
    LogError("region cannot be opened", key, why);
  }
  void OnFailed(const RegionKey& key, const absl::Status& why) override {
    LogError("region failed; close it to bring it back", key, why);
  }
  void OnClosed(const RegionKey& key, const absl::Status& status) override {
    if (!status.ok()) {
      LogError("closing a region failed", key, status);
      return;
    }
    Log(LogSeverity::kDebug, "region closed",
        {{"namespace", key.namespace_id}, {"region", key.region}});
  }
  void OnDropped(const RegionKey& key) override {
    Log(LogSeverity::kInfo, "region dropped",
        {{"namespace", key.namespace_id}, {"region", key.region}});
  }
  void OnRetained(const RegionKey& key, const RetentionPlan& plan,
                  const absl::Status& status) override {
    constexpr size_t kShownTables = 20;
    std::vector<std::string> through;
    for (const RetentionPlan::Mark& mark : plan.marks) {
      if (through.size() == kShownTables) break;
      through.push_back(absl::StrCat(mark.table, ":", mark.through));
    }
    Log(status.ok() ? LogSeverity::kInfo : LogSeverity::kWarning,
        status.ok() ? "retention deleted records" : "retention could not delete all it should",
        {{"namespace", key.namespace_id},
         {"region", key.region},
         {"records", plan.records},
         {"bytes", plan.bytes},
         {"tables", plan.marks.size()},
         {"through", absl::StrJoin(through, ",")},
         {"error", status.ok() ? "none" : status.ToString()}});
  }
  void OnNamespaceBroken(const Namespace& ns, const absl::Status& why) override {
    Log(LogSeverity::kError, "namespace cannot be opened",
        {{"namespace", ns.id},
         {"name", ns.name},
         {"engine", ns.engine->name()},
         {"reason", ReasonOf(why)},
         {"error", why.message()}});
  }

 private:
  static void LogError(absl::string_view event, const RegionKey& key, const absl::Status& why) {
    Log(LogSeverity::kError, event,
        {{"namespace", key.namespace_id},
         {"region", key.region},
         {"reason", ReasonOf(why)},
         {"error", why.message()}});
  }
};

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

Daemon::Daemon(const Config& config)
    : config_(config),
      events_(std::make_unique<LoggedEvents>()),
      limits_(config.limits),
      background_("background", 1) {}

Daemon::~Daemon() {
  // It tells the server, which goes before it.
  if (security_ != nullptr) security_->StopWatching();
}

absl::StatusOr<std::unique_ptr<Daemon>> Daemon::Start(const Config& config,
                                                      FileSystem* file_system) {
  const absl::Duration began = Clock::Real()->Now();
  gpr_set_log_function(LogGrpcMessage);
  std::unique_ptr<Daemon> daemon(new Daemon(config));
  absl::StatusOr<std::unique_ptr<Security>> security = Security::Start(config);
  if (!security.ok()) return security.status();
  daemon->security_ = *std::move(security);
  // Before anything that may take long, so that a daemon that opens a large log does not look dead.
  absl::StatusOr<std::unique_ptr<Monitor>> monitor = Monitor::Start(MonitorFrom(config));
  if (!monitor.ok()) return WithContext(monitor.status(), "metrics.listen");
  daemon->monitor_ = *std::move(monitor);
  if (absl::Status status = daemon->Serve(file_system); !status.ok()) return status;
  WarnIfTooFewFiles(config);
  daemon->LogStarted(Clock::Real()->Now() - began);
  return daemon;
}

absl::Status Daemon::Serve(FileSystem* file_system) {
  absl::StatusOr<NamespaceSet> namespaces = OpenNamespaces(file_system);
  if (!namespaces.ok()) return namespaces.status();
  ServerOptions options = OptionsFrom(config_);
  options.access = security_->access();
  options.tls = security_->tls();
  options.audit = &audit_;
  options.disk = disk_.get();
  options.tenants = TenantsFrom(config_.limits, security_->limits());
  server_ = WaldenServer::Make(options, *std::move(namespaces), events_.get());
  monitor_->Attach({server_.get(), disk_.get(), &security_->state()});
  if (absl::Status status = server_->Serve(); !status.ok()) return status;
  security_->Watch([this] {
    ApplyTenants();
    server_->AccessChanged();
  });
  monitor_->readiness().Set(Readiness::State::kServing);
  return absl::OkStatus();
}

void Daemon::LogStarted(absl::Duration took) const {
  std::vector<std::string> engines;
  for (const Namespace* ns : server_->registry().namespaces().All()) {
    engines.push_back(absl::StrCat(ns->name, ":", ns->engine->name()));
  }
  const StartSummary& summary = server_->start_summary();
  const std::vector<std::string> metrics = monitor_->addresses();
  Log(LogSeverity::kInfo, "waldend is serving",
      {{"version", kVersion},
       {"listen", absl::StrJoin(server_->addresses(), ",")},
       {"tls", config_.security.tls.enabled() ? "on" : "off"},
       {"identities", config_.security.identities_file.empty() ? "off" : "on"},
       {"metrics", metrics.empty() ? "off" : absl::StrJoin(metrics, ",")},
       {"data_dir", config_.data_dir},
       {"engines", absl::StrJoin(engines, ",")},
       {"regions", summary.regions},
       {"records", summary.records},
       {"bytes", summary.bytes},
       {"torn_tails", summary.torn_tails},
       {"quarantined_regions", summary.quarantined},
       {"broken_regions", summary.broken},
       {"unopened_regions", summary.not_opened},
       {"seconds", absl::ToDoubleSeconds(took)}});
}

absl::StatusOr<std::unique_ptr<LogEngine>> Daemon::OpenEngine(FileSystem* file_system,
                                                              const NamespaceConfig& configured,
                                                              EngineObserver* observer,
                                                              DiskQuotas* quotas) {
  switch (configured.engine) {
    case EngineKind::kSegment:
      return SegmentEngine::Open({.file_system = file_system,
                                  .clock = Clock::Real(),
                                  .background = &background_,
                                  .observer = observer,
                                  .data_directory = config_.data_dir,
                                  .namespace_name = configured.name,
                                  .spare_segment_bytes = configured.settings.segment_size.bytes,
                                  .spare_segments = configured.spare_segments,
                                  .disk = disk_.get(),
                                  .quotas = quotas});
    case EngineKind::kRocksdb:
      return RocksdbEngine::Open({.file_system = file_system,
                                  .clock = Clock::Real(),
                                  .observer = observer,
                                  .background = &background_,
                                  .data_directory = config_.data_dir,
                                  .namespace_name = configured.name,
                                  .namespace_id = configured.id,
                                  .tuning = TuningFrom(configured.rocksdb),
                                  .quotas = quotas});
  }
  return absl::InternalError("an engine of unknown kind");
}

absl::StatusOr<NamespaceSet> Daemon::OpenNamespaces(FileSystem* file_system) {
  if (absl::Status status = CreateDirectories(file_system, config_.data_dir); !status.ok()) {
    return WithContext(status, "data_dir");
  }
  disk_ =
      std::make_unique<DiskSpace>(file_system, config_.data_dir, config_.limits.disk_reserve.bytes);
  NamespaceSet namespaces;
  for (const NamespaceConfig& configured : config_.namespaces) {
    auto ns = std::make_unique<Namespace>();
    ns->id = configured.id;
    ns->name = configured.name;
    ns->regions = PolicyFrom(configured.settings);
    for (const RegionConfig& region : configured.regions) {
      ns->overrides[region.id] = PolicyFrom(region.settings);
    }
    ns->quotas = std::make_unique<DiskQuotas>(configured.name);
    ns->quotas->SetLimits(QuotasFrom(configured));
    absl::StatusOr<std::unique_ptr<LogEngine>> engine =
        OpenEngine(file_system, configured, ns->statistics.get(), ns->quotas.get());
    if (!engine.ok()) {
      return WithContext(engine.status(), absl::StrCat("namespace ", configured.name));
    }
    ns->engine = *std::move(engine);
    namespaces.Add(std::move(ns));
  }
  namespaces.SetDefault(config_.DefaultNamespace()->id);
  return namespaces;
}

void Daemon::Reload(const Config& wanted) {
  const std::vector<ChangedField> changed = Compare(config_, wanted);
  const LogLevel level = config_.log.level;
  config_ = TakeOver(config_, wanted);
  uint64_t taken_over = 0;
  for (const ChangedField& field : changed) {
    taken_over += field.reloads ? 1 : 0;
    Log(field.reloads ? LogSeverity::kInfo : LogSeverity::kWarning,
        field.reloads ? "setting taken over" : "setting needs a restart",
        {{"field", field.key}, {"old", field.old_value}, {"new", field.new_value}});
  }
  ApplyLimits();
  security_->Reload().IgnoreError();  // it told
  Log(LogSeverity::kInfo, "configuration reloaded",
      {{"taken_over", taken_over}, {"need_restart", changed.size() - taken_over}});
  if (config_.log.level != level) SetLogLevel(SeverityOf(config_.log.level));
}

void Daemon::ApplyTenants() {
  absl::MutexLock lock(&limits_mutex_);
  server_->tenants().SetPolicy(TenantsFrom(limits_, security_->limits()));
}

void Daemon::ApplyLimits() {
  const LimitsConfig& limits = config_.limits;
  disk_->set_reserve_bytes(limits.disk_reserve.bytes);
  server_->connections().set_max_connections(limits.max_connections);
  server_->live_calls().set_max_calls(limits.max_calls);
  {
    absl::MutexLock lock(&limits_mutex_);
    limits_ = limits;
  }
  ApplyTenants();
  server_->retention().set_interval(config_.retention.check_interval);
  for (const NamespaceConfig& configured : config_.namespaces) {
    server_->retention().policies().Set(configured.id, RetentionFrom(configured));
    const Namespace* const ns = server_->registry().namespaces().Find(configured.id);
    if (ns != nullptr) ns->quotas->SetLimits(QuotasFrom(configured));
  }
}

absl::Status Daemon::Stop() {
  const absl::Duration began = Clock::Real()->Now();
  Log(LogSeverity::kInfo, "shutting down");
  security_->StopWatching();
  monitor_->readiness().Set(Readiness::State::kShuttingDown);
  const absl::Status status = server_->Stop(config_.shutdown.drain_timeout);
  Log(status.ok() ? LogSeverity::kInfo : LogSeverity::kError, "waldend has stopped",
      {{"seconds", absl::ToDoubleSeconds(Clock::Real()->Now() - began)},
       {"error", status.ok() ? "none" : status.ToString()}});
  return status;
}

}  // namespace walden
