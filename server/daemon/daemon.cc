#include "server/daemon/daemon.h"

#include <grpc/support/log.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/version.h"
#include "config/changed_fields.h"
#include "config/combination_checks.h"
#include "engine/common/directory_owner.h"
#include "engine/open/namespace_identity.h"
#include "engine/rocksdb/rocksdb_engine.h"
#include "engine/segment/segment_engine.h"
#include "server/daemon/data_directory.h"
#include "server/daemon/options_from_config.h"
#include "server/daemon/region_event_log.h"
#include "server/log/logging.h"

namespace walden {
namespace {

FileBudget WantedFiles(const LimitsConfig& limits) {
  return {.max_open_regions = limits.max_open_regions, .max_connections = limits.max_connections};
}

void LogRegionsScanned(const StartSummary& summary) {
  Log(LogSeverity::kInfo, "every region was scanned",
      {{"regions", summary.regions},
       {"records", summary.records},
       {"bytes", summary.bytes},
       {"torn_tails", summary.torn_tails},
       {"quarantined_regions", summary.quarantined},
       {"broken_regions", summary.broken},
       {"unopened_regions", summary.not_opened}});
}

std::string EngineName(EngineKind kind) {
  return std::string(DirectoryOwnerName(kind == EngineKind::kRocksdb ? DirectoryOwner::kRocksdb
                                                                     : DirectoryOwner::kSegment));
}

void WarnIfTooFewFiles(const FileBudget& wanted, const FileBudget& given) {
  if (given.max_open_regions == wanted.max_open_regions &&
      given.max_connections == wanted.max_connections) {
    return;
  }
  Log(LogSeverity::kWarning, "fewer files may be open than the limits need: they are lowered",
      {{"files_permitted", PermittedOpenFiles()},
       {"limits.max_open_regions", wanted.max_open_regions},
       {"max_open_regions", given.max_open_regions},
       {"limits.max_connections", wanted.max_connections},
       {"max_connections", given.max_connections}});
}

constexpr absl::Duration kMetricsRetry = absl::Seconds(2);
constexpr absl::Duration kTellProgress = absl::Seconds(10);

// Names the directories below the data directory that hold data of an engine and belong to no
// configured namespace. Skips those that migrations and restores leave.
std::vector<std::string> UnconfiguredNamespaces(FileSystem* file_system, const Config& config) {
  std::vector<std::string> unconfigured;
  const auto names = file_system->ListDirectory(config.data_dir);
  if (!names.ok()) return unconfigured;
  for (const std::string& name : *names) {
    const bool known = std::any_of(config.namespaces.begin(), config.namespaces.end(),
                                   [&name](const NamespaceConfig& ns) { return ns.name == name; });
    if (known || absl::EndsWith(name, kMigratingSuffix) ||
        absl::EndsWith(name, kBeforeMigrationSuffix)) {
      continue;
    }
    const auto stored = DetectDirectoryOwner(file_system, absl::StrCat(config.data_dir, "/", name));
    // Data of both engines counts as data. A name that cannot be listed is skipped.
    if (stored.ok() ? *stored != DirectoryOwner::kNone
                    : HasReason(stored.status(), ErrorReason::kWrongEngine)) {
      unconfigured.push_back(name);
    }
  }
  return unconfigured;
}

// Engines report a disk on which no new file fits.
void WarnAboutDisks(const NamespaceSet& namespaces) {
  for (const Namespace* ns : namespaces.All()) {
    if (ns->disk == nullptr || !ns->disk->Sample().ok() || !ns->disk->is_low()) continue;
    Log(LogSeverity::kWarning, "no append is taken: the disk has less free than its reserve",
        {{"namespace", ns->name},
         {"directory", ns->disk->directory()},
         {"free_bytes", ns->disk->free_bytes()},
         {"reserve_bytes", ns->disk->reserve_bytes()}});
  }
}

// LOCKED if other processes have namespaces, and none is served.
absl::Status CheckSomethingIsServed(const RegionRegistry& registry) {
  const auto failures = registry.NamespaceFailures();
  if (failures.size() < registry.namespaces().All().size()) return absl::OkStatus();
  for (const auto& [id, why] : failures) {
    if (HasReason(why, ErrorReason::kLocked)) return why;
  }
  return absl::OkStatus();
}

void LogProgress(const RegionRegistry& registry) {
  const StartProgress progress = registry.start_progress();
  if (progress.regions_to_scan == 0) return;
  Log(LogSeverity::kInfo, "scanning regions",
      {{"to_scan", progress.regions_to_scan}, {"scanned", progress.summary.regions}});
}

// Passes gRPC's log on as debug messages. It helps only against faults of gRPC.
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
      began_(Clock::Real()->Now()),
      events_(std::make_unique<RegionEventLog>()),
      limits_(config.limits),
      index_budget_(config.limits.index_bytes.bytes),
      background_("background", 1) {}

Daemon::~Daemon() {
  // The guard calls the server, which is destroyed first.
  if (guard_ != nullptr) guard_->StopWatching();
}

absl::StatusOr<std::unique_ptr<Daemon>> Daemon::Start(const Config& config,
                                                      FileSystem* file_system) {
  gpr_set_log_function(LogGrpcMessage);
  std::unique_ptr<Daemon> daemon(new Daemon(config));
  const FileBudget wanted = WantedFiles(config.limits);
  const absl::StatusOr<FileBudget> files = DivideFiles(PermittedOpenFiles(), wanted);
  if (!files.ok()) return files.status();
  daemon->files_ = *files;
  WarnIfTooFewFiles(wanted, *files);
  absl::StatusOr<std::unique_ptr<Guard>> guard = Guard::Start(config);
  if (!guard.ok()) return guard.status();
  daemon->guard_ = *std::move(guard);
  // Before all long work, so that probes reach a daemon that opens a large log.
  daemon->ServeMetrics();
  if (absl::Status status = daemon->Serve(file_system); !status.ok()) return status;
  return daemon;
}

void Daemon::ServeMetrics() {
  monitor_ = std::make_unique<Monitor>(MonitorFrom(config_));
  const absl::Status status = monitor_->Listen();
  if (status.ok()) return;
  Log(LogSeverity::kError, "metrics and health are not served over HTTP; this is tried again",
      {{"field", "metrics.listen"}, {"error", status.message()}});
  monitor_ticker_ = std::make_unique<Ticker>(kMetricsRetry, [this] {
    if (!monitor_->addresses().empty() || !monitor_->Listen().ok()) return;
    Log(LogSeverity::kInfo, "metrics and health are served over HTTP now",
        {{"metrics", absl::StrJoin(monitor_->addresses(), ",")}});
  });
}

absl::Status Daemon::Serve(FileSystem* file_system) {
  absl::StatusOr<NamespaceSet> namespaces = MakeNamespaces(file_system);
  if (!namespaces.ok()) return namespaces.status();
  ServerOptions options = OptionsFrom(config_);
  options.registry.max_open_regions = files_.max_open_regions;
  options.max_connections = files_.max_connections;
  options.on_regions_scanned = LogRegionsScanned;
  options.access = guard_->access();
  options.tls = guard_->tls();
  options.audit = &audit_;
  options.disk = disk_.get();
  options.tenants = TenantsFrom(config_.limits, guard_->limits());
  server_ = WaldenServer::Make(options, *std::move(namespaces), events_.get());
  monitor_->Attach({&server_->observation(), disk_.get(), &guard_->state()});
  const absl::Status status = server_->Serve([this] { decided_.Notify(); });
  if (!status.ok()) return status;
  guard_->Watch([this] {
    ApplyTenants();
    server_->AccessChanged();
  });
  return absl::OkStatus();
}

absl::Status Daemon::FinishStart() {
  const ObservedRegistry& observed = server_->observation().registry;
  absl::Status status;
  observed.With([&](const RegionRegistry& registry) { status = CheckSomethingIsServed(registry); });
  if (!status.ok()) return status;
  monitor_->readiness().Set(Readiness::State::kServing);
  observed.With([this](const RegionRegistry& registry) {
    LogStarted(registry);
    WarnAboutDisks(registry.namespaces());
  });
  server_->SetServing();
  progress_ticker_ =
      std::make_unique<Ticker>(kTellProgress, [&observed] { observed.With(LogProgress); });
  return absl::OkStatus();
}

std::string Daemon::ServingText() const {
  uint64_t regions = 0;
  server_->observation().registry.With(
      [&regions](const RegionRegistry& registry) { regions = registry.open_regions(); });
  return absl::StrCat("serving ", regions, " regions at ",
                      absl::StrJoin(server_->addresses(), ", "));
}

void Daemon::LogStarted(const RegionRegistry& registry) const {
  std::vector<std::string> engines;
  const NamespaceSet& namespaces = registry.namespaces();
  for (const Namespace* ns : namespaces.All()) {
    engines.push_back(absl::StrCat(ns->name, ":", ns->engine->name()));
  }
  for (const std::string& name : namespaces.unconfigured()) {
    Log(LogSeverity::kWarning, "a directory holds data of a namespace that is not configured",
        {{"directory", absl::StrCat(config_.data_dir, "/", name)}});
  }
  const std::vector<std::string> metrics = monitor_->addresses();
  Log(LogSeverity::kInfo, "waldend is serving",
      {{"version", kVersion},
       {"listen", absl::StrJoin(server_->addresses(), ",")},
       {"tls", config_.security.tls.enabled() ? "on" : "off"},
       {"identities", config_.security.identities_file.empty() ? "off" : "on"},
       {"metrics", metrics.empty() ? "off" : absl::StrJoin(metrics, ",")},
       {"data_dir", config_.data_dir},
       {"engines", absl::StrJoin(engines, ",")},
       {"failed_namespaces", registry.NamespaceFailures().size()},
       {"seconds", absl::ToDoubleSeconds(Clock::Real()->Now() - began_)}});
}

absl::StatusOr<std::unique_ptr<LogEngine>> Daemon::OpenEngine(FileSystem* file_system,
                                                              const std::string& data_directory,
                                                              const NamespaceConfig& configured,
                                                              const Namespace& ns) {
  switch (configured.engine) {
    case EngineKind::kSegment:
      return SegmentEngine::Open({.file_system = file_system,
                                  .clock = Clock::Real(),
                                  .background = &background_,
                                  .observer = ns.statistics.get(),
                                  .data_directory = data_directory,
                                  .namespace_name = configured.name,
                                  .namespace_id = configured.id,
                                  .spare_segment_bytes = configured.settings.segment_size.bytes,
                                  .spare_segments = configured.spare_segments,
                                  .disk = ns.disk.get(),
                                  .quotas = ns.quotas.get(),
                                  .index_budget = &index_budget_});
    case EngineKind::kRocksdb:
      return RocksdbEngine::Open({.file_system = file_system,
                                  .clock = Clock::Real(),
                                  .observer = ns.statistics.get(),
                                  .background = &background_,
                                  .data_directory = data_directory,
                                  .namespace_name = configured.name,
                                  .namespace_id = configured.id,
                                  .tuning = TuningFrom(configured.rocksdb),
                                  .quotas = ns.quotas.get()});
  }
  return absl::InternalError("an engine of unknown kind");
}

std::unique_ptr<Namespace> Daemon::MakeNamespace(FileSystem* file_system,
                                                 const NamespaceConfig& configured) {
  auto ns = std::make_unique<Namespace>();
  ns->id = configured.id;
  ns->name = configured.name;
  ns->regions = PolicyFrom(configured.settings);
  for (const RegionConfig& region : configured.regions) {
    ns->overrides[region.id] = PolicyFrom(region.settings);
  }
  ns->quotas = std::make_unique<DiskQuotas>(configured.name);
  ns->quotas->SetLimits(QuotasFrom(configured));
  ns->statistics->on_problem = [id = configured.id](const absl::Status& what) {
    Log(LogSeverity::kWarning, "an engine worked around a problem; its cause needs to be fixed",
        {{"namespace", id}, {"error", what.message()}});
  };
  // A namespace's directory may be a mounted disk. Then it exists before the daemon starts.
  const std::string directory = absl::StrCat(config_.data_dir, "/", configured.name);
  const bool is_there = file_system->ListDirectory(directory).ok();
  ns->disk = std::make_unique<DiskSpace>(file_system, is_there ? directory : config_.data_dir,
                                         config_.limits.disk_reserve.bytes);
  disk_bounds_[ns->id] = {.disk = ns->disk.get(), .quotas = ns->quotas.get()};
  auto engine = std::make_unique<LateEngine>(EngineName(configured.engine));
  ns->late = engine.get();
  ns->engine = std::move(engine);
  ns->open = [this, file_system, configured, data_directory = config_.data_dir,
              of = ns.get()]() -> absl::StatusOr<std::unique_ptr<LogEngine>> {
    const absl::Status is_free =
        CheckIdIsNotElsewhere(file_system, data_directory, configured.name, configured.id);
    auto opened = is_free.ok() ? OpenEngine(file_system, data_directory, configured, *of)
                               : absl::StatusOr<std::unique_ptr<LogEngine>>(is_free);
    if (opened.ok()) return opened;
    return WithContext(opened.status(), absl::StrCat("namespace ", configured.name));
  };
  return ns;
}

absl::StatusOr<NamespaceSet> Daemon::MakeNamespaces(FileSystem* file_system) {
  DataDirectoryOptions directory{.path = config_.data_dir, .group = config_.data_group};
  for (const NamespaceConfig& configured : config_.namespaces) {
    directory.namespaces.push_back(configured.name);
  }
  if (absl::Status status = PrepareDataDirectory(file_system, directory); !status.ok()) {
    return status;
  }
  disk_ =
      std::make_unique<DiskSpace>(file_system, config_.data_dir, config_.limits.disk_reserve.bytes);
  NamespaceSet namespaces;
  for (const NamespaceConfig& configured : config_.namespaces) {
    namespaces.Add(MakeNamespace(file_system, configured));
  }
  namespaces.SetDefault(config_.DefaultNamespace()->id);
  namespaces.SetUnconfigured(UnconfiguredNamespaces(file_system, config_));
  return namespaces;
}

absl::Status Daemon::Reload(const Config& wanted) {
  const std::vector<ChangedField> changed = FindChangedFields(config_, wanted);
  const LogLevel level = config_.log.level;
  Config next = TakeReloadableFields(config_, wanted);
  // Both configurations are valid, but the fields that change may not fit those that stay.
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
  guard_->Reload().IgnoreError();  // it logs its errors
  Log(LogSeverity::kInfo, "configuration reloaded",
      {{"taken_over", taken_over}, {"need_restart", changed.size() - taken_over}});
  if (config_.log.level != level) SetLogLevel(SeverityOf(config_.log.level));
  return absl::OkStatus();
}

void Daemon::ApplyTenants() {
  absl::MutexLock lock(&limits_mutex_);
  server_->SetTenants(TenantsFrom(limits_, guard_->limits()));
}

void Daemon::ApplyLimits() {
  const LimitsConfig& limits = config_.limits;
  // The limit on regions needs a restart.
  const absl::StatusOr<FileBudget> files = DivideFiles(PermittedOpenFiles(), WantedFiles(limits));
  server_->SetMaxConnections(files.ok() ? files->max_connections : files_.max_connections);
  server_->SetMaxCalls(limits.max_calls);
  {
    absl::MutexLock lock(&limits_mutex_);
    limits_ = limits;
  }
  ApplyTenants();
  server_->SetRetention(config_.retention.check_interval, RetentionFrom(config_));
  ApplyDiskBounds();
}

void Daemon::ApplyDiskBounds() {
  const uint64_t reserve_bytes = config_.limits.disk_reserve.bytes;
  disk_->set_reserve_bytes(reserve_bytes);
  for (const NamespaceConfig& configured : config_.namespaces) {
    const auto bounds = disk_bounds_.find(configured.id);
    if (bounds == disk_bounds_.end()) continue;
    bounds->second.quotas->SetLimits(QuotasFrom(configured));
    bounds->second.disk->set_reserve_bytes(reserve_bytes);
  }
}

absl::Status Daemon::Stop() {
  const absl::Duration began = Clock::Real()->Now();
  Log(LogSeverity::kInfo, "shutting down");
  guard_->StopWatching();
  monitor_ticker_ = nullptr;
  progress_ticker_ = nullptr;
  monitor_->readiness().Set(Readiness::State::kShuttingDown);
  const absl::Status status = server_->Stop(config_.shutdown.drain_timeout);
  Log(status.ok() ? LogSeverity::kInfo : LogSeverity::kError, "waldend has stopped",
      {{"seconds", absl::ToDoubleSeconds(Clock::Real()->Now() - began)}, {"error", status}});
  return status;
}

}  // namespace walden
