#include "server/daemon.h"

#include <grpc/support/log.h>
#include <sys/resource.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "config/difference.h"
#include "config/validation.h"
#include "engine/clock.h"
#include "engine/error.h"
#include "engine/rocksdb/rocksdb_engine.h"
#include "engine/segment/segment_engine.h"
#include "server/from_config.h"
#include "server/logged_events.h"
#include "server/logging.h"
#include "server/version.h"

namespace walden {
namespace {

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

}  // namespace

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
  if (!monitor.ok()) {
    // Mostly another daemon has the port; if it has the data directory too, that says more.
    const absl::Status data = daemon->OpenNamespaces(file_system).status();
    return HasReason(data, ErrorReason::kLocked) ? data
                                                 : WithContext(monitor.status(), "metrics.listen");
  }
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
                                  .namespace_id = configured.id,
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

absl::Status Daemon::Reload(const Config& wanted) {
  const std::vector<ChangedField> changed = Compare(config_, wanted);
  const LogLevel level = config_.log.level;
  Config next = TakeOver(config_, wanted);
  // Each by itself is sound; what can be taken over of the one may not fit what stays of the other.
  if (absl::Status fits = CheckCombinations(next); !fits.ok()) return fits;
  config_ = std::move(next);
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
  return absl::OkStatus();
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
