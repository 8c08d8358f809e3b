// The daemon that a configuration describes: its engines, server, log lines and shutdown.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "base/memory_budget.h"
#include "base/thread_pool.h"
#include "base/ticker.h"
#include "config/config.h"
#include "engine/io/disk_quota.h"
#include "engine/io/disk_space.h"
#include "engine/io/file_system.h"
#include "engine/types.h"
#include "server/daemon/file_budget.h"
#include "server/daemon/monitor.h"
#include "server/daemon/region_event_log.h"
#include "server/grpc/walden_server.h"
#include "server/security/audit_log.h"
#include "server/security/guard.h"

namespace walden {

class Daemon {
 public:
  // Serves metrics and health, makes the data directory if it does not exist, and listens. Then
  // opens the namespaces and their regions in the background. Errors name the fault and its place.
  // The daemon serves without metrics that cannot be served, and without namespaces and regions
  // that cannot be opened, and logs these errors.
  static absl::StatusOr<std::unique_ptr<Daemon>> Start(const Config& config,
                                                       FileSystem* file_system);

  // Waits until every namespace is open or has failed. False if that takes longer than `longest`.
  bool AwaitNamespaces(absl::Duration longest) const {
    return decided_.WaitForNotificationWithTimeout(longest);
  }
  // To be called once after AwaitNamespaces. Reports readiness and logs the start. LOCKED if other
  // processes hold namespaces and none could be opened: nothing can be served then.
  absl::Status FinishStart();
  ~Daemon();

  // Applies those fields of a new configuration that a running daemon can change, and loads
  // certificates and identities again. Logs every field that differs with its old and new value,
  // and whether it needs a restart. Returns INVALID_ARGUMENT and changes nothing if the new values
  // do not fit the fields that stay. Must not run beside Stop or another Reload.
  absl::Status Reload(const Config& wanted);

  // Graceful: see WaldenServer::Stop. Metrics and health are served until the daemon is destroyed.
  absl::Status Stop();

  // The configuration in force.
  const Config& config() const { return config_; }

  // "serving N regions at ADDRESSES", for the service manager.
  std::string ServingText() const;

 private:
  explicit Daemon(const Config& config);

  absl::StatusOr<std::unique_ptr<LogEngine>> OpenEngine(FileSystem* file_system,
                                                        const std::string& data_directory,
                                                        const NamespaceConfig& configured,
                                                        const Namespace& ns);
  std::unique_ptr<Namespace> MakeNamespace(FileSystem* file_system,
                                           const NamespaceConfig& configured);
  absl::StatusOr<NamespaceSet> MakeNamespaces(FileSystem* file_system);
  absl::Status Serve(FileSystem* file_system);
  void ServeMetrics();
  void LogStarted(const RegionRegistry& registry) const;

  void ApplyLimits();
  void ApplyDiskBounds();
  // The configuration's limits for identities, and those of the identities file. Any thread.
  void ApplyTenants() ABSL_LOCKS_EXCLUDED(limits_mutex_);

  Config config_;
  const absl::Duration began_;
  FileBudget files_;
  std::unique_ptr<RegionEventLog> events_;
  AuditLog audit_;
  std::unique_ptr<Guard> guard_;  // outlives the server
  std::unique_ptr<DiskSpace> disk_;
  // The bounds of a namespace's disk use. The server owns them, as parts of its namespaces.
  struct DiskBounds {
    DiskSpace* disk = nullptr;
    DiskQuotas* quotas = nullptr;
  };
  std::map<NamespaceId, DiskBounds> disk_bounds_;
  absl::Mutex limits_mutex_;
  LimitsConfig limits_ ABSL_GUARDED_BY(limits_mutex_);  // those in force
  MemoryBudget index_budget_;                           // outlives the engines
  ThreadPool background_;                               // engines' housekeeping; outlives them
  absl::Notification decided_;
  std::unique_ptr<WaldenServer> server_;
  std::unique_ptr<Monitor> monitor_;        // reads the server, so it is destroyed first
  std::unique_ptr<Ticker> monitor_ticker_;  // while metrics are not served
  std::unique_ptr<Ticker> progress_ticker_;
};

}  // namespace walden
